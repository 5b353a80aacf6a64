#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "common/grpc_metrics.h"
#include "common/metrics.h"
#include "common/resolve_target.h"
#include "grpcpp/channel.h"
#include "tandem/v1/types.pb.h"

namespace tandem {

// What a replica said of itself.
struct BackendInfo {
  v1::ServiceInfo service;
  uint32_t max_context_tokens = 0;  // llm only
  bool accepts_images = false;      // llm only
  int load = 0;                     // tiles or sequences that run or wait there
};

// Where a replica is reached. In `tandem serve` the channel has no socket.
struct BackendTarget {
  // "HOST:PORT" or "dns:///NAME:PORT"; with a channel any name of its own.
  std::string name;
  std::shared_ptr<grpc::Channel> channel;  // null: dial `name`
};

// One address of a service. The pool owns the state; calls hold a reference, so
// a replica that left DNS lives until its calls end.
class Replica {
 public:
  Replica(std::string address, std::shared_ptr<grpc::Channel> channel)
      : address_(std::move(address)), channel_(std::move(channel)) {}
  const std::string& address() const { return address_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  friend class BackendPool;
  const std::string address_;
  const std::shared_ptr<grpc::Channel> channel_;
  // Guarded by the pool's mutex.
  absl::optional<BackendInfo> info_;  // of its last answer
  absl::Status state_ = absl::UnavailableError("not asked yet");
  bool asked_ = false;
  bool being_asked_ = false;
  bool unreachable_ = false;  // for a call, after it had said that it is ready
  int new_calls_ = 0;         // ours: begun less ended since its last answer

  int Load() const { return std::max(0, info_->load + new_calls_); }
};

// The replicas of one service: looks their names up, asks each for its state
// every second, keeps one channel an address, and picks. Thread-safe.
class BackendPool {
 public:
  // Asks a replica; must call back exactly once, within the deadline.
  using Ask = std::function<void(
      std::shared_ptr<grpc::Channel> channel, absl::Time deadline,
      std::function<void(absl::StatusOr<BackendInfo>)> done)>;

  struct Options {
    Backend kind = Backend::kLlm;
    std::vector<BackendTarget> targets;
    absl::Duration ask_every = absl::Seconds(1);
    absl::Duration ask_timeout = absl::Seconds(2);
    // The addresses behind a "dns:///" name; may block as long as it likes.
    std::function<std::vector<std::string>(const std::string&)> resolve =
        [](const std::string& name) { return ResolveTarget(name); };
    absl::Duration resolve_every = absl::Seconds(5);
  };
  // Everything borrowed must outlive the pool. `grpc_metrics` may be null.
  BackendPool(Options options, Ask ask, GatewayMetrics& metrics,
              GrpcMetrics* grpc_metrics);
  ~BackendPool();

  BackendPool(const BackendPool&) = delete;
  BackendPool& operator=(const BackendPool&) = delete;

  // Waits until every name has been looked up and every replica asked once,
  // whatever the answer; false after `timeout`.
  bool WaitUntilAsked(absl::Duration timeout) const ABSL_LOCKS_EXCLUDED(mutex_);

  // A call on a replica; less of them make it more likely to be picked.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept { *this = std::move(other); }
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { Reset(); }
    void Reset();
    // The replica stays; the call no longer counts.
    void EndCall();
    explicit operator bool() const { return replica_ != nullptr; }
    const Replica& operator*() const { return *replica_; }
    const Replica* operator->() const { return replica_.get(); }
    // As the replica last said.
    const BackendInfo& info() const { return info_; }

   private:
    friend class BackendPool;
    BackendPool* pool_ = nullptr;  // null: the call does not count
    std::shared_ptr<Replica> replica_;
    BackendInfo info_;
  };

  // Decides about one replica: OK, or why it will not do. Called under the
  // pool's lock: may ask another pool, not this one.
  using Filter = std::function<absl::Status(const BackendInfo&)>;

  // A ready replica that `filter` accepts. Its load is what it said last and
  // our own calls since. Without `key` the least loaded; else by the order that
  // `key` gives them (rendezvous hashing): for vision the less loaded of the
  // first two, so that a popular picture melts nobody; for llm the first one
  // whose load is at most 1.25 times the average and one more, so that a
  // conversation stays with its prefix.
  //
  // `avoid` (an address) is taken only when there is no other, and one that was
  // unreachable only when none is ready: connections end for other reasons than
  // death, and trying costs little.
  //
  // UNAVAILABLE BACKEND_UNAVAILABLE, with a delay, when none is ready; the
  // filter's error when it refused all that are.
  absl::StatusOr<Lease> Pick(absl::string_view key, absl::string_view avoid,
                             const Filter& filter) ABSL_LOCKS_EXCLUDED(mutex_);

  // OK when there is a replica that Pick may choose, else Pick's error.
  absl::Status Check(const Filter& filter) const ABSL_LOCKS_EXCLUDED(mutex_);

  // A call found the replica unreachable: it counts as not ready until it
  // answers again.
  void MarkUnreachable(const Replica& replica) ABSL_LOCKS_EXCLUDED(mutex_);

  // What any replica said last; the first ready one's, else the first known.
  absl::optional<BackendInfo> AnyInfo() const ABSL_LOCKS_EXCLUDED(mutex_);

  bool has_targets() const { return !options_.targets.empty(); }
  int num_ready() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using ReplicaPtr = std::shared_ptr<Replica>;
  void Resolve() ABSL_LOCKS_EXCLUDED(mutex_);
  // What `targets` stand for, as far as it is known.
  std::vector<BackendTarget> Addresses() const;
  void SetReplicas() ABSL_LOCKS_EXCLUDED(mutex_);
  // By the order that `key` gives them.
  static void Sort(absl::string_view key, std::vector<ReplicaPtr>& replicas);
  ReplicaPtr Choose(absl::string_view key,
                    std::vector<ReplicaPtr> candidates) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::vector<ReplicaPtr>> Candidates(const Filter& filter) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ResolveLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  void AskLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  void AskAll() ABSL_LOCKS_EXCLUDED(mutex_);
  void Answered(const ReplicaPtr& replica, absl::StatusOr<BackendInfo> info)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void UpdateGauges() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const Ask ask_;
  GatewayMetrics& metrics_;
  GrpcMetrics* const grpc_metrics_;
  const char* const service_name_;

  // Of each name, when it was found last. The resolving thread's, once it runs.
  std::map<std::string, std::vector<std::string>> last_found_;

  mutable absl::Mutex mutex_;
  std::vector<ReplicaPtr> replicas_ ABSL_GUARDED_BY(mutex_);
  int num_asking_ ABSL_GUARDED_BY(mutex_) = 0;
  bool resolved_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_new_ ABSL_GUARDED_BY(mutex_) = false;  // replicas, not asked yet
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread resolving_, asking_;
};

// Asks through VisionService.GetInfo and LlmService.GetInfo.
BackendPool::Ask AskVision();
BackendPool::Ask AskLlm();

}  // namespace tandem
