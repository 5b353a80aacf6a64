#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace tandem {

// One thread that owns one physical device. Whatever touches the device runs
// here, a piece at a time, in the order of submission; pieces are short (a
// step, a tile), so engines that share a device take turns.
class ComputeExecutor {
 public:
  struct Options {
    // Waiting pieces; the next Submit is refused.
    int max_queued = 1024;
    // For logs and the heartbeat metric.
    std::string name = "compute";
  };
  explicit ComputeExecutor(Options options);
  // Runs what is queued, then joins.
  ~ComputeExecutor();

  ComputeExecutor(const ComputeExecutor&) = delete;
  ComputeExecutor& operator=(const ComputeExecutor&) = delete;

  // Queues `work`; it must not throw and must not wait for another piece.
  // RESOURCE_EXHAUSTED when the queue is full. Thread-safe.
  absl::Status Submit(std::function<void()> work) ABSL_LOCKS_EXCLUDED(mutex_);

  // Queues `work` and waits until it has run. Not from the executor's thread.
  absl::Status Run(std::function<void()> work) ABSL_LOCKS_EXCLUDED(mutex_);

  // Time since the thread last began or ended a piece, or was found idle: the
  // source of liveness. Small while idle. Thread-safe.
  absl::Duration HeartbeatAge() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  mutable absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  std::chrono::steady_clock::time_point last_beat_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace tandem
