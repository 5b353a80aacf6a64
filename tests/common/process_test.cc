#include "common/process.h"

#include <sys/types.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <string>

#include "absl/time/clock.h"
#include "common/log.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

TEST(ExitCode, TellsWhatAPersonMustPutRight) {
  EXPECT_EQ(ExitCodeFor(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeFor(absl::InvalidArgumentError("")), 78);
  EXPECT_EQ(ExitCodeFor(absl::NotFoundError("")), 78);
  EXPECT_EQ(ExitCodeFor(absl::FailedPreconditionError("")), 78);
  EXPECT_EQ(ExitCodeFor(absl::DataLossError("")), 78);
  EXPECT_EQ(ExitCodeFor(absl::UnauthenticatedError("")), 78);
  EXPECT_EQ(ExitCodeFor(absl::InternalError("")), 1);
  EXPECT_EQ(ExitCodeFor(absl::UnavailableError("")), 1);
}

TEST(Version, IsKnown) {
  EXPECT_STREQ(Version(), "0.1.0");
  EXPECT_STRNE(Commit(), "");
}

// Signals end processes: each of these runs in a child of its own.
class RunProgramDeathTest : public testing::Test {
 protected:
  RunProgramDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(RunProgramDeathTest, ASignalEndsWaitAndTheProgramEndsWell) {
  EXPECT_EXIT(std::_Exit(RunProgram([](StopSignal& stop) {
                std::thread sender([] {
                  absl::SleepFor(absl::Milliseconds(50));
                  kill(getpid(), SIGTERM);
                });
                stop.Wait();
                sender.join();
                return stop.hurry().HasBeenNotified() ? absl::InternalError("")
                                                      : absl::OkStatus();
              })),
              testing::ExitedWithCode(0), "stops; a second signal cancels");
}

TEST_F(RunProgramDeathTest, TheSecondSignalHurriesAndTheThirdEnds) {
  EXPECT_EXIT(std::_Exit(RunProgram([](StopSignal& stop) {
                std::thread sender([] {
                  absl::SleepFor(absl::Milliseconds(50));
                  kill(getpid(), SIGINT);
                });
                stop.Wait();
                kill(getpid(), SIGTERM);
                stop.hurry().WaitForNotification();
                kill(getpid(), SIGTERM);
                sender.join();
                absl::SleepFor(absl::InfiniteDuration());
                return absl::OkStatus();
              })),
              testing::ExitedWithCode(128 + SIGTERM), "ends at once");
}

TEST_F(RunProgramDeathTest, ASignalWhileLoadingEndsTheProcess) {
  EXPECT_EXIT(std::_Exit(RunProgram([](StopSignal&) {
                kill(getpid(), SIGTERM);
                absl::SleepFor(absl::InfiniteDuration());
                return absl::OkStatus();
              })),
              testing::ExitedWithCode(128 + SIGTERM), "ends at once");
}

TEST_F(RunProgramDeathTest, ASignalOnceServingEndsAWaitThatComesLater) {
  EXPECT_EXIT(std::_Exit(RunProgram([](StopSignal& stop) {
                stop.Serving();
                kill(getpid(), SIGTERM);
                kill(getpid(), SIGINT);  // other signals do not queue up
                // Both have been received before Wait is called.
                stop.hurry().WaitForNotification();
                stop.Wait();
                return absl::OkStatus();
              })),
              testing::ExitedWithCode(0), "stops; a second signal cancels");
}

TEST_F(RunProgramDeathTest, AFailureIsOneLineAndAnExitCode) {
  EXPECT_EXIT(
      std::_Exit(RunProgram([](StopSignal&) {
        return absl::FailedPreconditionError("cannot listen on 127.0.0.1:1");
      })),
      testing::ExitedWithCode(78),
      "ERROR stopped error=\"FAILED_PRECONDITION: cannot listen on "
      "127.0.0.1:1\"");
  EXPECT_EXIT(std::_Exit(RunProgram([](StopSignal&) -> absl::Status {
                throw std::runtime_error("thrown");
              })),
              testing::ExitedWithCode(1), "INTERNAL: thrown");
}

TEST_F(RunProgramDeathTest, AClosedPipeDoesNotEndTheProcess) {
  EXPECT_EXIT(std::_Exit(RunProgram([](StopSignal& stop) {
                int ends[2];
                if (pipe(ends) != 0) return absl::InternalError("no pipe");
                close(ends[0]);
                stop.Request();
                stop.Wait();
                return write(ends[1], "x", 1) == -1 ? absl::OkStatus()
                                                    : absl::InternalError("");
              })),
              testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace tandem
