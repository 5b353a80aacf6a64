#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

TEST(InterruptTest, TheFirstSignalStopsWhatRuns) {
  Interrupt interrupt;
  absl::Notification stopped;
  const Interrupt::Scope scope(interrupt, [&] { stopped.Notify(); });
  kill(getpid(), SIGINT);
  stopped.WaitForNotification();
}

TEST(InterruptTest, InASessionEverySignalStopsWhatRunsAndNothingElse) {
  Interrupt interrupt;
  const Interrupt::Session session(interrupt);
  std::atomic<int> stops = 0;
  const Interrupt::Scope scope(interrupt, [&] { ++stops; });
  for (const int want : {1, 2}) {
    kill(getpid(), SIGINT);
    while (stops < want) std::this_thread::yield();
  }
}

// The program that these run ends: a death test's child.
void SignalTwice() {
  Interrupt interrupt;
  absl::Notification stopped;
  const Interrupt::Scope scope(interrupt, [&] { stopped.Notify(); });
  kill(getpid(), SIGINT);
  stopped.WaitForNotification();
  kill(getpid(), SIGINT);
  pause();
}

void SignalWhileNothingRuns() {
  Interrupt interrupt;
  {
    const Interrupt::Scope ended(interrupt, [] {});
  }
  kill(getpid(), SIGINT);
  pause();
}

bool IsPending(int signal) {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, signal) == 1;
}

void SignalInASessionWhileNothingRuns() {
  Interrupt interrupt;
  const Interrupt::Session session(interrupt);
  kill(getpid(), SIGINT);
  while (IsPending(SIGINT)) std::this_thread::yield();
  // The next one is heard, so the first has been.
  absl::Notification stopped;
  const Interrupt::Scope scope(interrupt, [&] {
    if (!stopped.HasBeenNotified()) stopped.Notify();
  });
  kill(getpid(), SIGINT);
  stopped.WaitForNotification();
  _exit(0);
}

TEST(InterruptDeathTest, TheSecondSignalEndsTheProgram) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(SignalTwice(), testing::ExitedWithCode(Interrupt::kExitCode), "");
}

TEST(InterruptDeathTest, ASignalWhileNothingRunsEndsTheProgram) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(SignalWhileNothingRuns(),
              testing::ExitedWithCode(Interrupt::kExitCode), "");
}

TEST(InterruptDeathTest, ASignalInASessionWhileNothingRunsEndsNothing) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(SignalInASessionWhileNothingRuns(), testing::ExitedWithCode(0),
              "");
}

}  // namespace
}  // namespace tandem
