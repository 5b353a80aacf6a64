#include "common/process.h"

#include <grpc/support/log.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>

#include "common/log.h"

namespace tandem {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// gRPC's own messages become lines of ours. What it calls an error is mostly a
// peer's, and the call that failed says so too.
void LogFromGrpc(gpr_log_func_args* args) {
  const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR
                             ? LogLevel::kWarning
                             : LogLevel::kDebug;
  Log(level, "grpc", {{"detail", args->message}});
}

absl::Status RunBody(const std::function<absl::Status(StopSignal&)>& body,
                     StopSignal& stop) {
  try {
    return body(stop);
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

}  // namespace

int ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnimplemented:
      return kExitConfig;
    default:
      return kExitFailure;
  }
}

StopSignal::StopSignal() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = signalfd(/*fd=*/-1, &signals, SFD_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_CLOEXEC);
  if (signal_fd_ < 0 || wake_fd_ < 0)
    std::abort();  // no descriptor at the start
  thread_ = std::thread([this] { Loop(); });
}

StopSignal::~StopSignal() {
  eventfd_write(wake_fd_, 1);
  thread_.join();
  close(signal_fd_);
  close(wake_fd_);
}

void StopSignal::Wait() {
  Serving();
  stop_.WaitForNotification();
}

void StopSignal::Request() {
  absl::MutexLock lock(&mutex_);
  if (!stop_.HasBeenNotified()) stop_.Notify();
}

void StopSignal::Loop() {
  pthread_setname_np(pthread_self(), "signals");
  while (true) {
    pollfd fds[] = {{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    if (poll(fds, 2, /*timeout=*/-1) < 0) continue;  // interrupted
    if (fds[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signal_fd_, &info, sizeof(info)) != sizeof(info)) continue;
    OnSignal(static_cast<int>(info.ssi_signo));
  }
}

void StopSignal::OnSignal(int signal) {
  const char* name = signal == SIGTERM ? "SIGTERM" : "SIGINT";
  if (!serving_ || hurry_.HasBeenNotified()) {
    LogWarning("ends at once", {{"signal", name}});
    std::_Exit(128 + signal);
  }
  if (stop_.HasBeenNotified()) {
    LogWarning("cancels what is in flight", {{"signal", name}});
    hurry_.Notify();
    return;
  }
  LogInfo("stops; a second signal cancels what is in flight",
          {{"signal", name}});
  Request();
}

int RunProgram(const std::function<absl::Status(StopSignal&)>& body) {
  std::signal(SIGPIPE, SIG_IGN);
  gpr_set_log_function(LogFromGrpc);
  StopSignal stop;
  const absl::Status status = RunBody(body, stop);
  if (!status.ok()) LogError("stopped", {{"error", status}});
  return ExitCodeFor(status);
}

}  // namespace tandem
