#include "gateway/periodic.h"

#include <atomic>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

TEST(PeriodicTest, WorksAgainAndAgainUntilItEnds) {
  std::atomic<int> times = 0;
  {
    const Periodic periodic(absl::Milliseconds(1), [&] { ++times; });
    while (times < 3) absl::SleepFor(absl::Milliseconds(1));
  }
  const int at_end = times;
  absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(times, at_end);
}

TEST(PeriodicTest, TheEndDoesNotWaitForThePeriod) {
  int times = 0;
  {
    const Periodic periodic(absl::Hours(1), [&] { ++times; });
  }
  EXPECT_EQ(times, 0);
}

}  // namespace
}  // namespace tandem
