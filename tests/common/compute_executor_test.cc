#include "common/compute_executor.h"

#include <memory>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

TEST(ComputeExecutor, RunsInTheOrderOfSubmissionOnOneThread) {
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  ComputeExecutor executor({});
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(executor
                    .Submit([&, i] {
                      order.push_back(i);
                      threads.push_back(std::this_thread::get_id());
                    })
                    .ok());
  }
  ASSERT_TRUE(executor.Run([] {}).ok());
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
  EXPECT_THAT(threads, testing::Each(threads.front()));
  EXPECT_NE(threads.front(), std::this_thread::get_id());
}

TEST(ComputeExecutor, RefusesWhenTheQueueIsFull) {
  absl::Notification started, go;
  ComputeExecutor executor({.max_queued = 1, .name = "card"});
  ASSERT_TRUE(executor
                  .Submit([&] {
                    started.Notify();
                    go.WaitForNotification();
                  })
                  .ok());
  started.WaitForNotification();
  EXPECT_TRUE(executor.Submit([] {}).ok());
  const absl::Status refused = executor.Run([] { FAIL(); });
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(refused), "OVERLOADED");
  EXPECT_EQ(refused.message(), "card has 1 pieces of work waiting, the most");
  go.Notify();
}

TEST(ComputeExecutor, RunsWhatIsQueuedBeforeItEnds) {
  int ran = 0;
  {
    ComputeExecutor executor({});
    for (int i = 0; i < 10; ++i)
      ASSERT_TRUE(executor.Submit([&] { ++ran; }).ok());
  }
  EXPECT_EQ(ran, 10);
}

TEST(ComputeExecutor, HeartbeatAgesOnlyWhileAPieceRuns) {
  absl::Notification started, go;
  ComputeExecutor executor({});
  EXPECT_EQ(executor.HeartbeatAge(), absl::ZeroDuration());
  ASSERT_TRUE(executor
                  .Submit([&] {
                    started.Notify();
                    go.WaitForNotification();
                  })
                  .ok());
  started.WaitForNotification();
  while (executor.HeartbeatAge() < absl::Milliseconds(20))
    absl::SleepFor(absl::Milliseconds(1));
  go.Notify();
  ASSERT_TRUE(executor.Run([] {}).ok());
  while (executor.HeartbeatAge() > absl::ZeroDuration())
    absl::SleepFor(absl::Milliseconds(1));
}

TEST(ComputeExecutor, FreesWhatWorkHeldBeforeTheNextPiece) {
  ComputeExecutor executor({});
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> watch = held;
  ASSERT_TRUE(executor.Submit([held = std::move(held)] {}).ok());
  bool freed = false;
  ASSERT_TRUE(executor.Run([&] { freed = watch.expired(); }).ok());
  EXPECT_TRUE(freed);
}

}  // namespace
}  // namespace tandem
