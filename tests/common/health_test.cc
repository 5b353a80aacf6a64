#include "common/health.h"

#include <thread>

#include "absl/time/clock.h"
#include "common/errors.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_clock.h"

namespace tandem {
namespace {

TEST(Health, IsReadyWhenEveryConditionIs) {
  Health health;
  health.AddCondition("weights");
  health.AddCondition("backends");
  EXPECT_FALSE(health.Get().started);
  health.SetCondition("weights", true);
  EXPECT_FALSE(health.Get().ready);
  EXPECT_EQ(health.Get().reason, "waiting for backends");
  health.SetCondition("backends", true);
  EXPECT_TRUE(health.Get().ready);
  EXPECT_EQ(health.Get().reason, "");
}

TEST(Health, HasStartedForGoodOnceItWasReady) {
  Health health;
  health.AddCondition("backends");
  health.SetCondition("backends", true);
  health.SetCondition("backends", false);
  EXPECT_TRUE(health.Get().started);
  EXPECT_FALSE(health.Get().ready);
  EXPECT_TRUE(health.Get().live);
}

TEST(Health, FollowsTheSilenceOfItsEngines) {
  FakeClock clock;
  Health health;
  health.AddHeartbeat("cpu",
                      {.not_ready_after = absl::Seconds(10),
                       .not_live_after = absl::Seconds(30)},
                      [&] { return clock.Monotonic(); });
  clock.Advance(absl::Seconds(10));
  EXPECT_TRUE(health.Get().ready);
  clock.Advance(absl::Seconds(1));
  EXPECT_FALSE(health.Get().ready);
  EXPECT_TRUE(health.Get().live);
  EXPECT_EQ(health.Get().reason, "cpu has been silent for more than 10s");
  clock.Advance(absl::Seconds(20));
  EXPECT_FALSE(health.Get().live);
  EXPECT_EQ(health.Get().reason, "cpu has been silent for more than 30s");
  EXPECT_EQ(health.Heartbeats().at(0).age, absl::Seconds(31));
  health.RemoveHeartbeat("cpu");
  EXPECT_TRUE(health.Get().ready);
  EXPECT_TRUE(health.Heartbeats().empty());
}

TEST(Health, GivesEachEngineLimitsOfItsOwn) {
  Health health;
  health.AddHeartbeat("cpu", Health::LimitsOf("cpu"),
                      [] { return absl::Minutes(4); });
  EXPECT_TRUE(health.Get().ready);
  health.AddHeartbeat("cuda:0", Health::LimitsOf("cuda:0"),
                      [] { return absl::Seconds(29); });
  EXPECT_FALSE(health.Get().ready);
  EXPECT_TRUE(health.Get().live);
  EXPECT_EQ(health.Get().reason, "cuda:0 has been silent for more than 10s");
}

// A tile or a step of a large model takes minutes on two cores.
TEST(Health, WaitsForACpuMuchLongerThanForACard) {
  EXPECT_EQ(Health::LimitsOf("cpu").not_ready_after, absl::Minutes(5));
  EXPECT_EQ(Health::LimitsOf("cpu").not_live_after, absl::Minutes(10));
  EXPECT_EQ(Health::LimitsOf("cuda:1").not_ready_after, absl::Seconds(10));
  EXPECT_EQ(Health::LimitsOf("cuda:1").not_live_after, absl::Seconds(30));
}

TEST(Health, DrainsForGood) {
  Health health;
  health.AddCondition("weights");
  health.SetCondition("weights", true);
  health.Drain();
  health.SetCondition("weights", true);
  EXPECT_FALSE(health.Get().ready);
  EXPECT_TRUE(health.Get().live);
  EXPECT_TRUE(health.Get().draining);
  EXPECT_EQ(health.Get().reason, "draining");
}

TEST(Health, WakesWhoWaitsForAChange) {
  Health health;
  health.AddCondition("weights");
  const Health::State last = health.Get();
  const std::atomic<bool> stop = false;
  EXPECT_EQ(health.WaitForChange(last, absl::Milliseconds(1), stop), last);
  std::thread setter([&] { health.SetCondition("weights", true); });
  EXPECT_TRUE(health.WaitForChange(last, absl::InfiniteDuration(), stop).ready);
  setter.join();
}

TEST(Health, WakesWhoIsToStopWaiting) {
  Health health;
  const Health::State last = health.Get();
  std::atomic<bool> stop = false;
  std::thread stopper([&] {
    stop = true;
    health.Wake();
  });
  EXPECT_EQ(health.WaitForChange(last, absl::InfiniteDuration(), stop), last);
  stopper.join();
}

TEST(CallGate, RefusesOnceClosed) {
  CallGate gate;
  EXPECT_TRUE(gate.Admit().ok());
  gate.Close();
  const absl::Status refused = gate.Admit();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(refused), "DRAINING");
  EXPECT_EQ(RetryDelay(refused), absl::Seconds(1));
}

TEST(FakeClock, ACalendarThatJumpsLeavesDurationsAlone) {
  FakeClock clock;
  const absl::Time before = clock.Now();
  clock.JumpCalendar(-absl::Hours(1));
  EXPECT_LT(clock.Now(), before);
  EXPECT_EQ(clock.Monotonic(), absl::ZeroDuration());
  clock.SleepFor(absl::Seconds(2));
  EXPECT_EQ(clock.Monotonic(), absl::Seconds(2));
}

TEST(RealClock, NeverGoesBack) {
  RealClock clock;
  const absl::Duration before = clock.Monotonic();
  clock.SleepFor(absl::Milliseconds(2));
  EXPECT_GE(clock.Monotonic() - before, absl::Milliseconds(2));
}

}  // namespace
}  // namespace tandem
