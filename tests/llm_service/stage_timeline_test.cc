#include "llm_service/stage_timeline.h"

#include <random>

#include "gtest/gtest.h"

namespace tandem {
namespace {

absl::Duration At(double milliseconds) {
  return absl::Seconds(100) + absl::Milliseconds(milliseconds);
}

v1::TileTimings Tile(double image_decode, double preprocess,
                     double encode_queue, double encode) {
  v1::TileTimings timings;
  timings.set_image_decode(image_decode);
  timings.set_preprocess(preprocess);
  timings.set_encode_queue(encode_queue);
  timings.set_encode(encode);
  return timings;
}

double Sum(const v1::Timings& t) {
  return t.image_decode() + t.preprocess() + t.encode_queue() + t.encode() +
         t.transfer() + t.decode_queue() + t.prefill();
}

TEST(StageTimeline, OfTextIsQueueAndPrefill) {
  StageTimeline timeline(At(0));
  timeline.Admitted(At(30));
  const v1::Timings stages = timeline.Stages(At(100));
  EXPECT_NEAR(stages.decode_queue(), 30, 1e-6);
  EXPECT_NEAR(stages.prefill(), 70, 1e-6);
  EXPECT_NEAR(Sum(stages), 100, 1e-6);
}

TEST(StageTimeline, DividesATilesTimeByWhatItWentThrough) {
  StageTimeline timeline(At(0));
  timeline.Admitted(At(5));
  timeline.TileArrived(At(10), At(60), Tile(20, 5, 3, 15));
  const v1::Timings stages = timeline.Stages(At(100));
  EXPECT_NEAR(stages.decode_queue(), 5, 1e-6);
  EXPECT_NEAR(stages.image_decode(), 20, 1e-6);
  EXPECT_NEAR(stages.preprocess(), 5, 1e-6);
  EXPECT_NEAR(stages.encode_queue(), 3, 1e-6);
  EXPECT_NEAR(stages.encode(), 15, 1e-6);
  EXPECT_NEAR(stages.transfer(), 7, 1e-6);
  EXPECT_NEAR(stages.prefill(), 45, 1e-6);  // 5 to 10, and 60 to 100
}

TEST(StageTimeline, CountsTilesThatOverlapOnce) {
  StageTimeline timeline(At(0));
  // Encoded one after the other; the second waited for the first.
  timeline.TileArrived(At(0), At(40), Tile(10, 0, 0, 25));
  timeline.TileArrived(At(0), At(70), Tile(10, 0, 25, 25));
  // In the same batch as the second.
  timeline.TileArrived(At(0), At(70), Tile(10, 0, 25, 25));
  timeline.Admitted(At(80));
  const v1::Timings stages = timeline.Stages(At(100));
  EXPECT_NEAR(stages.encode(), 50, 1e-6);
  EXPECT_NEAR(stages.encode_queue(), 5, 1e-6);
  EXPECT_NEAR(stages.image_decode(), 10, 1e-6);
  EXPECT_NEAR(stages.transfer(), 5, 1e-6);
  EXPECT_NEAR(stages.decode_queue(), 10, 1e-6);
  EXPECT_NEAR(stages.prefill(), 20, 1e-6);
}

TEST(StageTimeline, CountsTheWaitForRoomAsPrefill) {
  StageTimeline timeline(At(0));
  timeline.Admitted(At(0));
  timeline.TileArrived(At(0), At(20), Tile(0, 0, 0, 20));
  timeline.TileArrived(At(50), At(70), Tile(0, 0, 0, 20));
  const v1::Timings stages = timeline.Stages(At(100));
  EXPECT_NEAR(stages.encode(), 40, 1e-6);
  EXPECT_NEAR(stages.prefill(), 60, 1e-6);
}

TEST(StageTimeline, TilesTheRequestWhateverHappens) {
  std::mt19937 random(1);
  const auto draw = [&](double most) {
    return std::uniform_real_distribution<double>(0, most)(random);
  };
  for (int round = 0; round < 1000; ++round) {
    StageTimeline timeline(At(0));
    double now = 0;
    const int admitted_after = static_cast<int>(random() % 6);
    for (int tile = 0; tile < 5; ++tile) {
      if (tile == admitted_after) timeline.Admitted(At(now));
      const double asked = draw(now + 10);
      now += draw(20);
      timeline.TileArrived(At(asked), At(std::max(now, asked)),
                           Tile(draw(30), draw(10), draw(30), draw(30)));
      now = std::max(now, asked);
    }
    if (admitted_after == 5) timeline.Admitted(At(now += 5));
    now += draw(40);
    const v1::Timings stages = timeline.Stages(At(now));
    EXPECT_NEAR(Sum(stages), now, 1e-3) << round;
    EXPECT_GE(stages.decode_queue(), 0) << round;
    EXPECT_GE(stages.prefill(), 0) << round;
    EXPECT_GE(stages.transfer(), 0) << round;
  }
}

}  // namespace
}  // namespace tandem
