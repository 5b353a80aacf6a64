// The contract of VisionService: the same cases against the real rpc and engine
// (over a fake vision tower) and against the fake service that tests of the
// gateway and of the llm service use.
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/errors.h"
#include "common/sha256.h"
#include "gtest/gtest.h"
#include "tests/vision_service/golden.h"
#include "tests/vision_service/vision_under_test.h"
#include "vision_service/png_encoder.h"

namespace tandem {
namespace {

struct Subject {
  std::string name;
  std::function<std::unique_ptr<VisionUnderTest>()> make;
  friend std::ostream& operator<<(std::ostream& os, const Subject& s) {
    return os << s.name;
  }
};

class VisionContractTest : public testing::TestWithParam<Subject> {
 protected:
  void Pass(absl::Duration time) {
    vision_->clock.Advance(time);
    vision_->Expire();
  }
  std::string ReasonOfPull(const v1::ImageRef& image) {
    return ErrorReason(caller_.Pull(image, 0, 1).status());
  }

  const std::string png_ = *EncodePng(SyntheticImage(896, 448));
  const std::unique_ptr<VisionUnderTest> vision_ = GetParam().make();
  VisionCaller caller_{vision_->address()};
};

INSTANTIATE_TEST_SUITE_P(
    Services, VisionContractTest,
    testing::Values(
        Subject{"Real", [] { return std::make_unique<RealVision>(); }},
        Subject{"Fake", [] { return std::make_unique<ScriptedVision>(); }}),
    [](const auto& info) { return info.param.name; });

TEST_P(VisionContractTest, AReferenceLivesFromPutToRelease) {
  const auto image = caller_.Put(png_);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->handle().size(), 16u);
  EXPECT_EQ(image->columns(), 2u);
  EXPECT_EQ(image->rows(), 1u);
  EXPECT_EQ(image->num_tiles(), 3u);
  EXPECT_EQ(image->width(), 896u);
  EXPECT_EQ(image->height(), 448u);
  EXPECT_EQ(image->replica_id(), "replica-1");
  EXPECT_EQ(image->sha256(), Sha256Digest(png_));
  EXPECT_FALSE(image->preprocessing_id().empty());

  const auto tiles = caller_.Pull(*image, 0, 3);
  ASSERT_TRUE(tiles.ok()) << tiles.status();
  EXPECT_EQ(tiles->size(), 3u);
  EXPECT_EQ(caller_.Release({image->handle(), std::string(16, 'x')}), 1);
  EXPECT_EQ(caller_.Release({image->handle()}), 0);
  EXPECT_EQ(ReasonOfPull(*image), reason::kEmbeddingExpired);
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, ARunMayBeginAnywhereAndBeReadAgain) {
  const auto image = caller_.Put(png_);
  const auto last = caller_.Pull(*image, 2, 1);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->front().tile_index, 2);
  const auto all = caller_.Pull(*image, 0, 3);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ((*all)[2].data, last->front().data);
  EXPECT_NE((*all)[1].data, last->front().data);
  caller_.Release({image->handle()});
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, EqualPicturesHaveReferencesOfTheirOwn) {
  const auto first = caller_.Put(png_);
  const auto second = caller_.Put(png_);
  EXPECT_NE(first->handle(), second->handle());
  EXPECT_EQ(first->sha256(), second->sha256());
  caller_.Release({first->handle()});
  EXPECT_EQ(ReasonOfPull(*first), reason::kEmbeddingExpired);
  EXPECT_TRUE(caller_.Pull(*second, 0, 3).ok());
  caller_.Release({second->handle()});
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, RefusesBadRunsNamingTheField) {
  const auto image = caller_.Put(png_);
  const auto field = [&](int first, int num) {
    const absl::Status status = caller_.Pull(*image, first, num).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
    return ErrorField(status);
  };
  EXPECT_EQ(field(3, 1), "first_tile");
  EXPECT_EQ(field(0, 4), "num_tiles");
  EXPECT_EQ(field(2, 2), "num_tiles");
  EXPECT_EQ(field(0, 0), "num_tiles");
  EXPECT_EQ(field(-1, 1), "first_tile");  // 4,294,967,295 on the wire.
  EXPECT_EQ(field(1, -1), "num_tiles");   // Their sum is 0 in 32 bits.
  caller_.Release({image->handle()});
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, RefusesBadImagesWithTheirReason) {
  EXPECT_EQ(ErrorReason(caller_.Put("").status()), reason::kImageInvalid);
  EXPECT_EQ(ErrorReason(caller_.Put("GIF89a\1\0\1\0").status()),
            reason::kImageUnsupportedFormat);
  EXPECT_EQ(ErrorReason(caller_.Put(png_.substr(0, 20)).status()),
            reason::kImageTruncated);
  EXPECT_EQ(ErrorReason(caller_.Put(std::string((20 << 20) + 1, 'x')).status()),
            reason::kImageTooLarge);
  EXPECT_EQ(ErrorField(caller_.Put(png_, 41).status()), "max_tiles");
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, RefusesARequestIdThatIsNone) {
  v1::PutImageRequest put = VisionCaller::PutOf(png_, 12);
  put.set_request_id("no spaces");
  EXPECT_EQ(ErrorField(caller_.Put(put).status()), "request_id");
  put.set_request_id("");
  const auto image = caller_.Put(put);
  ASSERT_TRUE(image.ok()) << image.status();
  v1::StreamEmbeddingsRequest run = VisionCaller::RunOf(*image, 0, 1);
  run.set_request_id(std::string(129, 'a'));
  EXPECT_EQ(ErrorField(caller_.Read(run).status()), "request_id");
  run.set_request_id("");
  EXPECT_TRUE(caller_.Read(run).ok());
  caller_.Release({image->handle()});
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, AReferenceExpiresAMinuteAfterItsLastUse) {
  const auto image = caller_.Put(png_);
  for (int tile = 0; tile < 2; ++tile) {
    Pass(absl::Seconds(59));
    ASSERT_TRUE(caller_.Pull(*image, tile, 1).ok());
    vision_->WaitUntilEnded();
  }
  Pass(absl::Seconds(61));
  const absl::Status status = caller_.Pull(*image, 0, 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(status), reason::kEmbeddingExpired);
  EXPECT_EQ(caller_.Release({image->handle()}), 0);
  vision_->ExpectIdle();
}

// The clock of the service stands still: the deadline is far away for it.
TEST_P(VisionContractTest, AReferenceLivesAsLongAsItsRequest) {
  const v1::PutImageRequest request = VisionCaller::PutOf(png_, 12);
  const auto used = caller_.Put(request, absl::Hours(1));
  const auto unused = caller_.Put(request, absl::Hours(1));
  const auto without = caller_.Put(request);
  ASSERT_TRUE(used.ok() && unused.ok() && without.ok());
  Pass(absl::Seconds(61));
  EXPECT_EQ(ReasonOfPull(*without), reason::kEmbeddingExpired);
  Pass(absl::Seconds(538));
  EXPECT_TRUE(caller_.Pull(*used, 0, 3).ok());
  Pass(absl::Seconds(2));  // The most that a request may take is over.
  EXPECT_EQ(ReasonOfPull(*unused), reason::kEmbeddingExpired);
  EXPECT_TRUE(caller_.Pull(*used, 0, 3).ok());
  caller_.Release({used->handle()});
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, AReferenceOutlivesALongRead) {
  const auto image = caller_.Put(png_);
  vision_->HoldAt(HoldStage::kEncode);
  absl::Status read;
  std::thread reader([&] { read = caller_.Pull(*image, 0, 3).status(); });
  vision_->WaitUntilHeld(HoldStage::kEncode, 1);
  Pass(absl::Seconds(61));
  vision_->Release();
  reader.join();
  EXPECT_TRUE(read.ok()) << read;
  vision_->WaitUntilEnded();
  Pass(absl::Seconds(30));
  EXPECT_TRUE(caller_.Pull(*image, 0, 3).ok());
  caller_.Release({image->handle()});
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, AReferenceIsNotKeptByReadersOfAnother) {
  const auto leaked = caller_.Put(png_);
  const auto image = caller_.Put(png_);
  vision_->HoldAt(HoldStage::kEncode);
  absl::Status read;
  std::thread reader([&] { read = caller_.Pull(*image, 0, 3).status(); });
  vision_->WaitUntilHeld(HoldStage::kEncode, 1);
  Pass(absl::Seconds(61));
  EXPECT_EQ(caller_.Release({leaked->handle()}), 0);
  vision_->Release();
  reader.join();
  EXPECT_TRUE(read.ok()) << read;
  EXPECT_EQ(caller_.Release({image->handle()}), 1);
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, AReleasedImageIsReadToItsEnd) {
  const auto image = caller_.Put(png_);
  vision_->HoldAt(HoldStage::kEncode);
  absl::Status read;
  std::thread reader([&] { read = caller_.Pull(*image, 0, 3).status(); });
  vision_->WaitUntilHeld(HoldStage::kEncode, 1);
  EXPECT_EQ(caller_.Release({image->handle()}), 1);
  vision_->Release();
  reader.join();
  EXPECT_TRUE(read.ok()) << read;
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, AStreamEndsAfterTwoMinutesIfItNamesNoDeadline) {
  const auto image = caller_.Put(png_);
  vision_->HoldAt(HoldStage::kEncode);
  absl::Status read;
  std::thread reader([&] { read = caller_.Pull(*image, 0, 3).status(); });
  vision_->WaitUntilHeld(HoldStage::kEncode, 1);
  Pass(absl::Seconds(121));
  reader.join();
  EXPECT_EQ(read.code(), absl::StatusCode::kDeadlineExceeded) << read;
  EXPECT_EQ(ErrorReason(read), reason::kDeadlineExceeded);
  caller_.Release({image->handle()});
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, EndsAtTheDeadlineAndFreesEverything) {
  const auto image = caller_.Put(png_);
  vision_->HoldAt(HoldStage::kEncode);
  const auto chunks =
      caller_.Read(VisionCaller::RunOf(*image, 0, 3), absl::Milliseconds(200));
  EXPECT_EQ(chunks.status().code(), absl::StatusCode::kDeadlineExceeded);
  vision_->Release();
  caller_.Release({image->handle()});
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, FreesAPictureWhosePutIsCancelled) {
  vision_->HoldAt(HoldStage::kPut);
  const v1::PutImageRequest request = VisionCaller::PutOf(png_, 12);
  v1::PutImageResponse response;
  grpc::ClientContext context;
  grpc::Status status;
  std::thread putter(
      [&] { status = caller_.stub->PutImage(&context, request, &response); });
  vision_->WaitUntilHeld(HoldStage::kPut, 1);
  context.TryCancel();
  putter.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  // Goes the same way as the cancellation, behind it.
  caller_.Info();
  vision_->ReleaseCancelledPut();
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, FreesAStreamWhereverItIsCancelled) {
  for (const HoldStage stage : {HoldStage::kDecode, HoldStage::kEncode}) {
    const auto image = caller_.Put(png_);
    vision_->HoldAt(stage);
    grpc::ClientContext context;
    auto reader = caller_.stub->StreamEmbeddings(
        &context, VisionCaller::RunOf(*image, 0, 3));
    vision_->WaitUntilHeld(stage, 1);
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
    WaitFor([&] { return caller_.Info().queued_tiles() == 0; });
    vision_->Release();
    EXPECT_TRUE(caller_.Pull(*image, 0, 3).ok());
    caller_.Release({image->handle()});
    vision_->ExpectIdle();
  }
}

TEST_P(VisionContractTest, FreesAStreamThatIsCancelledWhileItSends) {
  const auto image = caller_.Put(png_);
  grpc::ClientContext context;
  auto reader = caller_.stub->StreamEmbeddings(
      &context, VisionCaller::RunOf(*image, 0, 3));
  v1::EmbeddingChunk chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  context.TryCancel();
  while (reader->Read(&chunk)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  caller_.Release({image->handle()});
  vision_->ExpectIdle();
}

// What can happen to chunks on their way.
TEST_P(VisionContractTest, AReaderNoticesChunksThatAreCorruptOrMissing) {
  const auto image = caller_.Put(png_);
  const auto good = caller_.Read(VisionCaller::RunOf(*image, 0, 3));
  ASSERT_TRUE(good.ok()) << good.status();
  ASSERT_EQ(good->size(), 6u);
  using Chunks = std::vector<v1::EmbeddingChunk>;
  const std::vector<std::pair<std::string, std::function<void(Chunks&)>>>
      accidents = {
          {"flipped", [](Chunks& c) { (*c[2].mutable_data())[7] ^= 1; }},
          {"shortened", [](Chunks& c) { c[2].mutable_data()->resize(8); }},
          {"dropped", [](Chunks& c) { c.erase(c.begin() + 2); }},
          {"repeated",
           [](Chunks& c) {
             c.insert(c.begin() + 2, v1::EmbeddingChunk(c[2]));
           }},
          {"swapped", [](Chunks& c) { c[2].Swap(&c[4]); }},
          {"ended early", [](Chunks& c) { c.pop_back(); }},
      };
  for (const auto& [name, happen] : accidents) {
    Chunks chunks = *good;
    happen(chunks);
    EmbeddingAssembler assembler = VisionCaller::AssemblerOf(*image, 0, 3);
    std::vector<EmbeddingTile> tiles;
    absl::Status status;
    for (const v1::EmbeddingChunk& chunk : chunks) {
      status.Update(assembler.Add(chunk, tiles));
    }
    status.Update(assembler.Finish());
    EXPECT_EQ(ErrorReason(status), reason::kEmbeddingCorrupt) << name;
  }
  caller_.Release({image->handle()});
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, WhileItDrainsTakesNoPicturesButIsStillRead) {
  const auto image = caller_.Put(png_);
  vision_->Drain();
  const absl::Status status = caller_.Put(png_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kDraining);
  EXPECT_TRUE(RetryDelay(status).has_value());
  EXPECT_FALSE(caller_.Info().info().ready());
  EXPECT_TRUE(caller_.Pull(*image, 0, 3).ok());
  EXPECT_EQ(caller_.Release({image->handle()}), 1);
  vision_->ExpectIdle();
}

TEST_P(VisionContractTest, TellsItsLoad) {
  EXPECT_EQ(caller_.Info().images(), 0u);
  EXPECT_EQ(caller_.Info().held_bytes(), 0u);
  EXPECT_TRUE(caller_.Info().info().ready());
  const auto image = caller_.Put(png_);
  const v1::GetVisionInfoResponse info = caller_.Info();
  EXPECT_EQ(info.images(), 1u);
  EXPECT_EQ(info.held_bytes(), png_.size() + 3 * TestFormat().tile_bytes());
  EXPECT_GT(info.max_held_bytes(), info.held_bytes());
  EXPECT_EQ(info.queued_tiles(), 0u);
  EXPECT_GT(info.max_queued_tiles(), 0u);
  caller_.Release({image->handle()});
  vision_->ExpectIdle();
}

}  // namespace
}  // namespace tandem
