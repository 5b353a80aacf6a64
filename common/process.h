#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/version.h"  // every program says its version

namespace tandem {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
// Options, files or a port are wrong: starting again will not help (EX_CONFIG).
inline constexpr int kExitConfig = 78;

// kExitConfig for what a person must put right (INVALID_ARGUMENT, NOT_FOUND,
// FAILED_PRECONDITION, PERMISSION_DENIED, UNAUTHENTICATED, ALREADY_EXISTS,
// OUT_OF_RANGE, DATA_LOSS, UNIMPLEMENTED), else kExitFailure.
int ExitCodeFor(const absl::Status& status);

// SIGTERM and SIGINT, received by a thread of its own. Construct it before any
// other thread, so that all of them leave the signals to it.
//
// The first signal ends Wait; the second notifies hurry(), for GrpcHost::
// Shutdown; the third ends the process. Before Serving is called nothing is in
// flight (weights are loading), so that the first signal ends the process.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // From now on calls may come: a signal no longer ends the process at once.
  // Called just before the public listener opens.
  void Serving() { serving_ = true; }
  // Until the first signal after Serving, or Request; at once where it has come
  // already. Implies Serving.
  void Wait();
  // As if a signal had come. Thread-safe.
  void Request();
  const absl::Notification& hurry() const { return hurry_; }

 private:
  void Loop();
  void OnSignal(int signal);

  absl::Mutex mutex_;  // stop_ is notified once
  absl::Notification stop_, hurry_;
  std::atomic<bool> serving_ = false;
  int signal_fd_ = -1, wake_fd_ = -1;
  std::thread thread_;
};

// The body of a main that serves: ignores SIGPIPE, receives signals, runs
// `body` and turns its status into an exit code and, if it failed, one line of
// log.
//
//   return RunProgram([&](StopSignal& stop) -> absl::Status {
//     Health health;
//     Metrics metrics({.backend = "cpu"}, health);
//     TANDEM_ASSIGN_OR_RETURN(auto admin, AdminServer::Start(...));
//     ... load ...
//     stop.Serving();
//     TANDEM_ASSIGN_OR_RETURN(auto host, GrpcHost::Start(...));
//     stop.Wait();
//     host->Shutdown(stop.hurry());
//     return absl::OkStatus();
//   });
int RunProgram(const std::function<absl::Status(StopSignal&)>& body);

}  // namespace tandem
