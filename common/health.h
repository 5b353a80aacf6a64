#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace tandem {

// Whether this process lives, has started and can take calls: one object a
// process, read by the admin listener, the gRPC health service and metrics.
//
//   started  every condition has been true at the same time once
//   ready    every condition is true, no engine is late, not draining
//   live     no engine has been silent for longer than its limits allow
//
// Looks at this process only, never at another one's health. Thread-safe.
class Health {
 public:
  // Of an engine's silence; longer than the longest piece of work on its
  // device.
  struct Limits {
    absl::Duration not_ready_after = absl::Seconds(10);
    absl::Duration not_live_after = absl::Seconds(30);
  };
  // "cpu" gets minutes, for there a tile or a step of a large model takes
  // minutes; a card ("cuda:0") seconds.
  static Limits LimitsOf(absl::string_view device);
  struct State {
    bool live = true, started = false, ready = false, draining = false;
    // Why not ready ("waiting for weights"), else why not live; empty if both.
    std::string reason;
    bool operator==(const State&) const = default;
  };
  struct Heartbeat {
    std::string engine;
    absl::Duration age;
  };

  // A condition of readiness, false until SetCondition: "weights",
  // "backends asked". Add all of them before any is set.
  void AddCondition(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetCondition(const std::string& name, bool fulfilled)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // An engine that must keep moving. `age` (ComputeExecutor::HeartbeatAge) is
  // called from any thread, must not wait for work, and must stay valid until
  // RemoveHeartbeat returns.
  void AddHeartbeat(const std::string& engine, const Limits& limits,
                    std::function<absl::Duration()> age)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveHeartbeat(const std::string& engine) ABSL_LOCKS_EXCLUDED(mutex_);

  // Never ready again.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);

  State Get() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<Heartbeat> Heartbeats() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until the state differs from `last`, `stop` is true, or `timeout`;
  // answers the state. Lateness of engines is looked at when the wait ends, so
  // keep it short. Whoever sets `stop` calls Wake.
  State WaitForChange(const State& last, absl::Duration timeout,
                      const std::atomic<bool>& stop) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Has everyone in WaitForChange look at their `stop`.
  void Wake() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Engine {
    Limits limits;
    std::function<absl::Duration()> age;
  };
  State Look() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  // In the order of the alphabet, so that the first reason is the same each
  // time.
  std::map<std::string, bool> conditions_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Engine> engines_ ABSL_GUARDED_BY(mutex_);
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  int changes_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Whether one service takes new calls: its handlers ask first. Apart from
// Health, because in `tandem serve` the gateway stops taking calls while the
// services behind it still finish theirs. Thread-safe.
class CallGate {
 public:
  // OK, or UNAVAILABLE DRAINING with a delay after which another replica, or
  // this one restarted, will answer.
  absl::Status Admit() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tandem
