// What only the real vision service has: pixels, a queue, memory and metrics.
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/errors.h"
#include "gtest/gtest.h"
#include "tests/vision_service/golden.h"
#include "tests/vision_service/vision_under_test.h"
#include "vision_service/png_encoder.h"
#include "vision_service/tiles.h"

namespace tandem {
namespace {

class VisionRpcTest : public testing::Test {
 protected:
  double Rejected(ImageFormatLabel format) const {
    return vision_.metrics.images[format][ImageResult::kRejected].Value();
  }

  const RgbImage picture_ = SyntheticImage(896, 448);
  const std::string png_ = *EncodePng(picture_);
  RealVision vision_;
  VisionCaller caller_{vision_.address()};
};

TEST_F(VisionRpcTest, StreamsTheEmbeddingsOfTheTilesOfThePicture) {
  const auto image = caller_.Put(png_);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->preprocessing_id(), "custom/448/12");
  const auto tiles = caller_.Pull(*image, 0, 3);
  ASSERT_TRUE(tiles.ok()) << tiles.status();
  const std::vector<RgbImage> cut = CutTiles(picture_, {2, 1}, 448);
  ASSERT_EQ(tiles->size(), 3u);
  for (size_t i = 0; i < cut.size(); ++i) {
    EXPECT_EQ((*tiles)[i].data,
              FakeVisionEncoder::EmbeddingsOf(TestFormat(), cut[i]))
        << "tile " << i;
  }
  caller_.Release({image->handle()});
  vision_.ExpectIdle();
}

TEST_F(VisionRpcTest, TilesAreEncodedOnceForAllReaders) {
  const auto first = caller_.Put(png_);
  const auto second = caller_.Put(png_);
  ASSERT_TRUE(caller_.Pull(*first, 2, 1).ok());
  EXPECT_EQ(vision_.encoder.num_encoded(), 1);
  ASSERT_TRUE(caller_.Pull(*first, 0, 3).ok());
  caller_.Release({first->handle()});
  ASSERT_TRUE(caller_.Pull(*second, 0, 3).ok());
  EXPECT_EQ(vision_.encoder.num_encoded(), 3);
  EXPECT_EQ(vision_.decoder.num_begun(), 1);
  caller_.Release({second->handle()});
  vision_.ExpectIdle();
}

TEST_F(VisionRpcTest, RefusesAPictureThatIsNotWholeWhenItIsPut) {
  const absl::Status status =
      caller_.Put(png_.substr(0, png_.size() / 2)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kImageTruncated);
  vision_.ExpectIdle();
}

TEST_F(VisionRpcTest, CancellationWhileDecodingEncodesNothing) {
  const auto image = caller_.Put(png_);
  vision_.HoldAt(HoldStage::kDecode);
  grpc::ClientContext context;
  auto reader = caller_.stub->StreamEmbeddings(
      &context, VisionCaller::RunOf(*image, 0, 3));
  vision_.WaitUntilHeld(HoldStage::kDecode, 1);
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  WaitFor([&] { return vision_.engine->load().streams == 0; });
  vision_.Release();
  WaitFor([&] { return vision_.engine->load().idle; });
  EXPECT_EQ(vision_.encoder.num_begun(), 0);
  caller_.Release({image->handle()});
  vision_.ExpectIdle();
}

TEST_F(VisionRpcTest, CancellationWhileEncodingEndsWithThatTile) {
  const auto image = caller_.Put(png_);
  vision_.HoldAt(HoldStage::kEncode);
  grpc::ClientContext context;
  auto reader = caller_.stub->StreamEmbeddings(
      &context, VisionCaller::RunOf(*image, 0, 3));
  vision_.WaitUntilHeld(HoldStage::kEncode, 1);
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  WaitFor([&] { return vision_.engine->load().streams == 0; });
  EXPECT_EQ(vision_.engine->load().queued_tiles, 0);
  vision_.Release();
  WaitFor([&] { return vision_.engine->load().idle; });
  EXPECT_EQ(vision_.encoder.num_encoded(), 1);
  ASSERT_TRUE(caller_.Pull(*image, 0, 3).ok());
  EXPECT_EQ(vision_.encoder.num_encoded(), 3);
  caller_.Release({image->handle()});
  vision_.ExpectIdle();
}

TEST_F(VisionRpcTest, AFailedTileFailsItsReadersAndMayBeAskedForAgain) {
  const auto image = caller_.Put(png_);
  vision_.encoder.FailNext(MakeError(absl::StatusCode::kInternal,
                                     reason::kNumericFault, "a value is NaN"));
  EXPECT_EQ(ErrorReason(caller_.Pull(*image, 0, 3).status()),
            reason::kNumericFault);
  EXPECT_EQ(vision_.metrics.numeric_faults.Value(), 1);
  EXPECT_TRUE(caller_.Pull(*image, 0, 3).ok());
  caller_.Release({image->handle()});
  vision_.ExpectIdle();
}

TEST_F(VisionRpcTest, RefusesTilesBeyondTheQueueAndKeepsServing) {
  const auto ready = caller_.Put(png_);
  ASSERT_TRUE(caller_.Pull(*ready, 0, 3).ok());
  vision_.HoldAt(HoldStage::kEncode);
  // Six readers of the same three tiles, and each max_tiles is a new picture.
  std::vector<v1::ImageRef> images;
  for (int max_tiles : {2, 2, 2, 2, 2, 2, 3, 4, 5, 6, 7}) {
    images.push_back(*caller_.Put(png_, max_tiles));
  }
  std::vector<std::thread> readers;
  std::vector<absl::Status> ends(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    readers.emplace_back(
        [&, i] { ends[i] = caller_.Pull(images[i], 0, 3).status(); });
  }
  WaitFor([&] { return vision_.engine->load().streams == 11; });
  EXPECT_EQ(vision_.engine->load().queued_tiles, 18);
  EXPECT_EQ(caller_.Info().queued_tiles(), 18u);
  EXPECT_EQ(caller_.Info().max_queued_tiles(), 20u);

  const auto refused = caller_.Put(png_, 8);
  const absl::Status status = caller_.Pull(*refused, 0, 3).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
  EXPECT_TRUE(RetryDelay(status).has_value());
  // Tiles that are there cost nothing.
  EXPECT_TRUE(caller_.Pull(*ready, 0, 3).ok());

  vision_.Release();
  for (std::thread& reader : readers) reader.join();
  for (const absl::Status& end : ends) EXPECT_TRUE(end.ok()) << end;
  images.push_back(*ready);
  images.push_back(*refused);
  for (const v1::ImageRef& image : images) caller_.Release({image.handle()});
  vision_.ExpectIdle();
}

TEST_F(VisionRpcTest, RefusesPicturesThatLiveOnesLeaveNoRoomFor) {
  std::vector<std::string> handles;
  absl::StatusOr<v1::ImageRef> image;
  for (int max_tiles = 2; (image = caller_.Put(png_, max_tiles)).ok();
       ++max_tiles) {
    handles.push_back(image->handle());
  }
  EXPECT_EQ(handles.size(), 10u);  // 6 MiB each, of 64.
  EXPECT_EQ(image.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(image.status()), reason::kOverloaded);
  EXPECT_TRUE(RetryDelay(image.status()).has_value());
  EXPECT_EQ(Rejected(ImageFormatLabel::kPng), 1);
  EXPECT_EQ(caller_.Release({handles.back()}), 1);
  handles.back() = caller_.Put(png_, 40)->handle();
  EXPECT_EQ(caller_.Release(handles), 10);
  vision_.ExpectIdle();
}

TEST(VisionRpc, BoundsTheBytesThatWaitToBeTaken) {
  const std::string png = *EncodePng(SyntheticImage(896, 448));
  RealVision vision{{.max_waiting_bytes = static_cast<int64_t>(png.size())}};
  VisionCaller caller(vision.address());
  vision.HoldAt(HoldStage::kPut);
  absl::Mutex mutex;
  std::vector<absl::StatusOr<v1::ImageRef>> answers;
  const auto count = [&] {
    absl::MutexLock lock(&mutex);
    return answers.size();
  };
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      auto answer = caller.Put(png);
      absl::MutexLock lock(&mutex);
      answers.push_back(std::move(answer));
    });
  }
  // One of them waits, whichever came first; there is no room for the other.
  WaitFor([&] { return count() == 1; });
  EXPECT_EQ(
      vision.metrics.images[ImageFormatLabel::kPng][ImageResult::kRejected]
          .Value(),
      1);
  vision.Release();
  for (std::thread& thread : callers) thread.join();
  const absl::Status status = answers[0].status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
  EXPECT_TRUE(RetryDelay(status).has_value());
  ASSERT_TRUE(answers[1].ok()) << answers[1].status();
  caller.Release({answers[1]->handle()});
  vision.ExpectIdle();
}

TEST_F(VisionRpcTest, CountsRefusedPicturesByTheirFormat) {
  EXPECT_FALSE(caller_.Put(png_.substr(0, png_.size() / 2)).ok());
  EXPECT_EQ(Rejected(ImageFormatLabel::kPng), 1);
  std::string large(size_t{21} << 20, '\0');
  large.replace(0, 2, "BM");
  EXPECT_EQ(ErrorReason(caller_.Put(large).status()), reason::kImageTooLarge);
  EXPECT_EQ(Rejected(ImageFormatLabel::kBmp), 1);
  EXPECT_FALSE(caller_.Put("what is this?").ok());
  EXPECT_EQ(Rejected(ImageFormatLabel::kOther), 1);
}

}  // namespace
}  // namespace tandem
