#include "vision_service/vision_engine.h"

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/errors.h"
#include "gtest/gtest.h"
#include "tests/vision_service/golden.h"
#include "tests/vision_service/vision_under_test.h"
#include "vision_service/out_of_memory.h"
#include "vision_service/png_encoder.h"
#include "vision_service/tiles.h"

namespace tandem {
namespace {

using Stream = VisionEngine::Stream;

// The next tile of a stream, waited for.
class NextTile {
 public:
  explicit NextTile(Stream& stream) {
    stream.Next([this](absl::StatusOr<VisionEngine::ReadyTile> tile) {
      tile_ = std::move(tile);
      done_.Notify();
    });
  }
  const absl::StatusOr<VisionEngine::ReadyTile>& Wait() {
    done_.WaitForNotification();
    return tile_;
  }
  bool done() const { return done_.HasBeenNotified(); }

 private:
  absl::Notification done_;
  absl::StatusOr<VisionEngine::ReadyTile> tile_;
};

class VisionEngineTest : public testing::Test {
 protected:
  VisionEngineTest() {
    options_.num_decode_threads = 1;
    options_.encode_ahead = false;
    options_.decode = [this](absl::string_view file,
                             const DecodeOptions& options) {
      return decoder_.Decode(file, options);
    };
  }
  ~VisionEngineTest() override {
    decoder_.Hold(false);
    encoder_.Hold(false);
  }

  void Start() {
    engine_ = std::make_unique<VisionEngine>(options_, clock_, executor_,
                                             encoder_, metrics_);
  }
  std::string Put(const std::string& file, int max_tiles = 12) {
    const auto image = engine_->PutImage(file, max_tiles);
    EXPECT_TRUE(image.ok()) << image.status();
    return image.ok() ? image->handle() : "";
  }
  std::unique_ptr<Stream> Open(const std::string& handle, int first, int num) {
    auto stream = engine_->OpenStream(handle, first, num);
    EXPECT_TRUE(stream.ok()) << stream.status();
    return stream.ok() ? *std::move(stream) : nullptr;
  }
  // Reads one tile through a stream of its own.
  absl::Status Read(const std::string& handle, int tile) {
    auto stream = engine_->OpenStream(handle, tile, 1);
    if (!stream.ok()) return stream.status();
    return NextTile(**stream).Wait().status();
  }
  void WaitUntilIdle() {
    WaitFor([this] { return engine_->load().idle; });
  }

  const RgbImage picture_ = SyntheticImage(896, 448);
  const std::string png_ = *EncodePng(picture_);
  const RgbImage square_ = SyntheticImage(448, 448);
  const std::string square_png_ = *EncodePng(square_);
  const std::string small_png_ = *EncodePng(SyntheticImage(64, 64));

  FakeClock clock_;
  Health health_;
  Metrics process_metrics_{{.backend = "cpu", .torch = ""}, health_};
  VisionMetrics metrics_{process_metrics_};
  FakeImageDecoder decoder_;
  FakeVisionEncoder encoder_{TestFormat()};
  ComputeExecutor executor_{{.max_queued = 1, .name = "vision"}};
  VisionEngine::Options options_;
  std::unique_ptr<VisionEngine> engine_;
};

TEST_F(VisionEngineTest, EncodesAheadWhereNothingElseWaits) {
  options_.encode_ahead = true;
  Start();
  const std::string handle = Put(png_);
  WaitFor([&] { return encoder_.num_encoded() == 3; });
  WaitUntilIdle();
  EXPECT_EQ(engine_->load().queued_tiles, 0);
  for (int tile = 0; tile < 3; ++tile) EXPECT_TRUE(Read(handle, tile).ok());
  EXPECT_EQ(encoder_.num_encoded(), 3);
}

TEST_F(VisionEngineTest, DoesNotEncodeAheadWhatIsReleased) {
  options_.encode_ahead = true;
  Start();
  encoder_.Hold(true);
  const std::string handle = Put(png_);
  WaitFor([&] { return encoder_.num_begun() == 1; });
  engine_->ReleaseImages({handle});
  encoder_.Hold(false);
  WaitUntilIdle();
  EXPECT_EQ(encoder_.num_encoded(), 1);
}

TEST_F(VisionEngineTest, DoesNotBeginAheadWhileItIsBusy) {
  options_.encode_ahead = true;
  Start();
  decoder_.Hold(true);
  Put(png_);
  WaitFor([&] { return decoder_.num_begun() == 1; });
  // Only a reader makes it wanted.
  const std::string handle = Put(square_png_);
  decoder_.Hold(false);
  WaitUntilIdle();
  EXPECT_EQ(decoder_.num_begun(), 1);
  EXPECT_TRUE(Read(handle, 0).ok());
  EXPECT_EQ(decoder_.num_begun(), 2);
}

TEST_F(VisionEngineTest, TilesThatAReaderWaitsForGoBeforeThoseAhead) {
  options_.encode_ahead = true;
  Start();
  encoder_.Hold(true);
  Put(png_);
  WaitFor([&] { return encoder_.num_begun() == 1; });
  const std::string wanted = Put(square_png_);
  auto stream = Open(wanted, 0, 1);
  NextTile next(*stream);
  WaitFor([&] { return decoder_.num_begun() == 2; });
  const std::vector<RgbImage> ahead = CutTiles(picture_, {2, 1}, 448);
  const std::vector<RgbImage> first = CutTiles(square_, {1, 1}, 448);
  // Decoded, that is queued.
  WaitFor([&] {
    return metrics_.images[ImageFormatLabel::kPng][ImageResult::kOk].Value() ==
           2;
  });
  encoder_.Hold(false);
  EXPECT_TRUE(next.Wait().ok());
  stream = nullptr;
  WaitUntilIdle();
  using Fake = FakeVisionEncoder;
  EXPECT_EQ(
      encoder_.encoded(),
      (std::vector<uint32_t>{Fake::SumOf(ahead[0]), Fake::SumOf(first[0]),
                             Fake::SumOf(ahead[1]), Fake::SumOf(ahead[2])}));
}

TEST_F(VisionEngineTest, APictureOfTheCacheIsNotDecodedAgain) {
  Start();
  const std::string first = Put(png_);
  ASSERT_TRUE(Read(first, 0).ok());
  engine_->ReleaseImages({first});
  const std::string second = Put(png_);
  EXPECT_EQ(metrics_.cache_requests[CacheResult::kHit].Value(), 1);
  EXPECT_TRUE(Read(second, 0).ok());
  EXPECT_EQ(encoder_.num_encoded(), 1);
}

TEST_F(VisionEngineTest, RefusesPicturesBeyondTheDecodeQueue) {
  options_.max_queued_images = 1;
  Start();
  decoder_.Hold(true);
  const std::string third = Put(small_png_);
  const auto decoding = Open(Put(png_), 0, 1);
  WaitFor([&] { return decoder_.num_begun() == 1; });
  const auto queued = Open(Put(square_png_), 0, 1);
  const absl::Status status = Read(third, 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
  decoder_.Hold(false);
  EXPECT_TRUE(NextTile(*decoding).Wait().ok());
  EXPECT_TRUE(NextTile(*queued).Wait().ok());
  EXPECT_TRUE(Read(third, 0).ok());
}

TEST_F(VisionEngineTest, AFullExecutorFailsTheReadersAndNothingElse) {
  Start();
  const std::string handle = Put(png_);
  absl::Notification begun, go;
  ASSERT_TRUE(executor_
                  .Submit([&] {
                    begun.Notify();
                    go.WaitForNotification();
                  })
                  .ok());
  begun.WaitForNotification();
  ASSERT_TRUE(executor_.Submit([] {}).ok());
  const absl::Status status = Read(handle, 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
  EXPECT_EQ(engine_->load().queued_tiles, 0);
  go.Notify();
  WaitFor([&] { return executor_.Run([] {}).ok(); });
  EXPECT_TRUE(Read(handle, 0).ok());
}

TEST_F(VisionEngineTest, DoesNotDecodeWhatNobodyWantsAnyMore) {
  Start();
  decoder_.Hold(true);
  auto decoding = Open(Put(png_), 0, 1);
  WaitFor([&] { return decoder_.num_begun() == 1; });
  const std::string handle = Put(square_png_);
  auto cancelled = Open(handle, 0, 1);
  cancelled = nullptr;
  decoder_.Hold(false);
  EXPECT_TRUE(NextTile(*decoding).Wait().ok());
  decoding = nullptr;
  WaitUntilIdle();
  EXPECT_EQ(decoder_.num_begun(), 1);
  EXPECT_TRUE(Read(handle, 0).ok());
  EXPECT_EQ(decoder_.num_begun(), 2);
}

TEST_F(VisionEngineTest, DecodesAgainAfterMemoryRanOut) {
  Start();
  const std::string handle = Put(png_);
  decoder_.RunOutOfMemory();
  const absl::Status status = Read(handle, 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kDeviceOutOfMemory);
  EXPECT_TRUE(RetryDelay(status).has_value());
  EXPECT_EQ(metrics_.device_oom.Value(), 1);
  EXPECT_EQ(
      metrics_.images[ImageFormatLabel::kPng][ImageResult::kRejected].Value(),
      0);
  EXPECT_TRUE(Read(handle, 0).ok());
}

TEST(CatchOutOfMemory, AnswersWhatTheWorkSaysOrThatMemoryRanOut) {
  EXPECT_EQ(*CatchOutOfMemory("add", [] { return absl::StatusOr<int>(3); }), 3);
  EXPECT_TRUE(absl::IsNotFound(
      CatchOutOfMemory("look", [] { return absl::NotFoundError("nothing"); })));
  const absl::StatusOr<int> failed =
      CatchOutOfMemory("keep the image",
                       []() -> absl::StatusOr<int> { throw std::bad_alloc(); });
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(failed.status()), reason::kDeviceOutOfMemory);
  EXPECT_TRUE(RetryDelay(failed.status()).has_value());
}

TEST_F(VisionEngineTest, AWaitingTileCountsOnceForAllItsReaders) {
  Start();
  encoder_.Hold(true);
  const std::string handle = Put(png_);
  auto all = Open(handle, 0, 3);
  auto two = Open(handle, 1, 2);
  EXPECT_EQ(engine_->load().queued_tiles, 3);
  all = nullptr;
  EXPECT_EQ(engine_->load().queued_tiles, 2);
  encoder_.Hold(false);
  NextTile(*two).Wait();
  NextTile(*two).Wait();
  EXPECT_EQ(engine_->load().queued_tiles, 0);
}

TEST_F(VisionEngineTest, AStreamThatIsLateHoldsNothing) {
  Start();
  const std::string handle = Put(png_);
  const auto late = *engine_->OpenStream(
      handle, 0, 3, clock_.Monotonic() + absl::Seconds(30));
  ASSERT_TRUE(NextTile(*late).Wait().ok());  // And then it reads no more.
  clock_.Advance(absl::Seconds(29));
  engine_->Expire();
  EXPECT_EQ(engine_->load().streams, 1);
  clock_.Advance(absl::Seconds(1));
  engine_->Expire();
  EXPECT_EQ(engine_->load().streams, 0);
  EXPECT_EQ(engine_->load().queued_tiles, 0);
  const absl::Status status = NextTile(*late).Wait().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ErrorReason(status), reason::kDeadlineExceeded);
  clock_.Advance(absl::Seconds(60));
  engine_->Expire();
  EXPECT_EQ(engine_->load().handles, 0);
  EXPECT_EQ(engine_->load().images, 0);
}

TEST_F(VisionEngineTest, TheHfProfileTurnsPicturesUpright) {
  options_.profile = PreprocessingProfile::kHf;
  Start();
  const auto image = engine_->PutImage(png_, 12);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->preprocessing_id().substr(0, 3), "hf/");
  EXPECT_TRUE(Read(image->handle(), 0).ok());
  EXPECT_TRUE(decoder_.options().apply_exif);
}

TEST_F(VisionEngineTest, SaysThatAPictureWillNeverFit) {
  options_.store.max_held_bytes = 3 * int64_t(TestFormat().tile_bytes());
  Start();
  const absl::Status status = engine_->PutImage(png_, 12).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kImageTooLarge);
  EXPECT_EQ(
      metrics_.images[ImageFormatLabel::kPng][ImageResult::kRejected].Value(),
      1);
}

}  // namespace
}  // namespace tandem
