#include "gateway/backend_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/resolve_target.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

// FNV-1a: a hash that all gateways and all builds agree on.
uint64_t StableHash(absl::string_view key, absl::string_view address) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const absl::string_view part : {key, absl::string_view("/"), address}) {
    for (const char c : part) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    }
  }
  return hash ^ (hash >> 32);
}

}  // namespace

BackendPool::Lease& BackendPool::Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    Reset();
    pool_ = std::exchange(other.pool_, nullptr);
    replica_ = std::move(other.replica_);
    other.replica_ = nullptr;
    info_ = std::move(other.info_);
  }
  return *this;
}

void BackendPool::Lease::Reset() {
  if (replica_ == nullptr) return;
  absl::MutexLock lock(&pool_->mutex_);
  --replica_->calls_;
  replica_ = nullptr;
}

BackendPool::BackendPool(Options options, Ask ask, GatewayMetrics& metrics,
                         GrpcMetrics* grpc_metrics)
    : options_(std::move(options)),
      ask_(std::move(ask)),
      metrics_(metrics),
      grpc_metrics_(grpc_metrics),
      service_name_(options_.kind == Backend::kVision ? "vision" : "llm"),
      thread_([this] { Loop(); }) {}

BackendPool::~BackendPool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  // Each question ends within its own deadline.
  absl::MutexLock lock(&mutex_);
  const auto none_asking = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return num_asking_ == 0;
  };
  mutex_.Await(absl::Condition(&none_asking));
}

void BackendPool::Loop() {
  while (true) {
    ResolveTargets();
    AskAll();
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.ask_every);
    if (stopping_) return;
  }
}

std::vector<BackendTarget> BackendPool::Addresses() {
  std::vector<BackendTarget> addresses;
  for (const BackendTarget& target : options_.targets) {
    if (target.channel != nullptr) {
      addresses.push_back(target);
      continue;
    }
    std::vector<std::string> found = ResolveTarget(target.name);
    // A name that resolves to nothing keeps its old addresses until they prove
    // dead.
    std::vector<std::string>& last = last_found_[target.name];
    if (!found.empty()) last = std::move(found);
    for (const std::string& address : last) {
      addresses.push_back({address, nullptr});
    }
  }
  return addresses;
}

void BackendPool::ResolveTargets() {
  const std::vector<BackendTarget> addresses = Addresses();
  const auto find = [](const std::vector<ReplicaPtr>& replicas,
                       const std::string& address) {
    return std::find_if(replicas.begin(), replicas.end(),
                        [&](const ReplicaPtr& replica) {
                          return replica->address() == address;
                        });
  };
  absl::MutexLock lock(&mutex_);
  resolved_ = true;
  std::vector<ReplicaPtr> replicas;
  for (const BackendTarget& address : addresses) {
    // What two targets name is one replica.
    if (find(replicas, address.name) != replicas.end()) continue;
    if (const auto known = find(replicas_, address.name);
        known != replicas_.end()) {
      replicas.push_back(*known);
      continue;
    }
    replicas.push_back(std::make_shared<Replica>(
        address.name, address.channel != nullptr
                          ? address.channel
                          : MakeChannel(address.name, grpc_metrics_)));
  }
  replicas_ = std::move(replicas);
  UpdateGauges();
}

void BackendPool::AskAll() {
  std::vector<ReplicaPtr> to_ask;
  {
    absl::MutexLock lock(&mutex_);
    for (const ReplicaPtr& replica : replicas_) {
      if (std::exchange(replica->being_asked_, true)) continue;
      ++num_asking_;
      to_ask.push_back(replica);
    }
  }
  const absl::Time deadline = absl::Now() + options_.ask_timeout;
  for (const ReplicaPtr& replica : to_ask) {
    ask_(replica->channel(), deadline,
         [this, replica](absl::StatusOr<BackendInfo> info) {
           Answered(replica, std::move(info));
         });
  }
}

void BackendPool::Answered(const ReplicaPtr& replica,
                           absl::StatusOr<BackendInfo> info) {
  absl::MutexLock lock(&mutex_);
  --num_asking_;
  replica->being_asked_ = false;
  absl::Status state = info.status();
  if (info.ok() && !info->service.ready()) {
    state = absl::UnavailableError("it is not ready");
  }
  if (!replica->asked_ || state.ok() != replica->state_.ok()) {
    if (state.ok()) {
      LogInfo("backend is ready", {{"service", service_name_},
                                   {"address", replica->address()},
                                   {"replica_id", info->service.replica_id()}});
    } else {
      LogWarning("backend is not ready", {{"service", service_name_},
                                          {"address", replica->address()},
                                          {"status", state}});
    }
  }
  replica->asked_ = true;
  replica->unreachable_ = false;
  replica->state_ = std::move(state);
  if (info.ok()) replica->info_ = *std::move(info);
  UpdateGauges();
}

void BackendPool::WaitUntilAsked(absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  const auto all_asked = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return resolved_ && std::all_of(replicas_.begin(), replicas_.end(),
                                    [](const ReplicaPtr& replica) {
                                      return replica->asked_;
                                    });
  };
  mutex_.AwaitWithTimeout(absl::Condition(&all_asked), timeout);
}

absl::StatusOr<std::vector<BackendPool::ReplicaPtr>> BackendPool::Candidates(
    const Filter& filter) const {
  absl::Status refusal = RetryableError(
      absl::StatusCode::kUnavailable, reason::kBackendUnavailable,
      absl::StrCat("no ", service_name_, " service is ready"), absl::Seconds(1),
      {{"service", service_name_}});
  for (const bool unreachable : {false, true}) {
    std::vector<ReplicaPtr> candidates;
    for (const ReplicaPtr& replica : replicas_) {
      if (unreachable ? !replica->unreachable_ : !replica->state_.ok()) {
        continue;
      }
      if (absl::Status status = filter(*replica->info_); !status.ok()) {
        refusal = std::move(status);
        continue;
      }
      candidates.push_back(replica);
    }
    if (!candidates.empty()) return candidates;
  }
  return refusal;
}

absl::Status BackendPool::Check(const Filter& filter) const {
  absl::MutexLock lock(&mutex_);
  return Candidates(filter).status();
}

absl::StatusOr<BackendPool::Lease> BackendPool::Pick(absl::string_view key,
                                                     absl::string_view avoid,
                                                     const Filter& filter) {
  absl::MutexLock lock(&mutex_);
  TANDEM_ASSIGN_OR_RETURN(std::vector<ReplicaPtr> candidates,
                          Candidates(filter));
  if (candidates.size() > 1) {
    std::erase_if(candidates, [&](const ReplicaPtr& replica) {
      return replica->address() == avoid;
    });
  }
  if (!key.empty()) {
    std::sort(candidates.begin(), candidates.end(),
              [&](const ReplicaPtr& a, const ReplicaPtr& b) {
                return StableHash(key, a->address()) >
                       StableHash(key, b->address());
              });
    candidates.resize(std::min<size_t>(candidates.size(), 2));
  }
  const ReplicaPtr& best =
      *std::min_element(candidates.begin(), candidates.end(),
                        [](const ReplicaPtr& a, const ReplicaPtr& b) {
                          return std::pair(a->calls_, a->info_->load) <
                                 std::pair(b->calls_, b->info_->load);
                        });
  Lease lease;
  lease.pool_ = this;
  lease.replica_ = best;
  lease.info_ = *best->info_;
  ++best->calls_;
  return lease;
}

void BackendPool::MarkUnreachable(const Replica& replica) {
  absl::MutexLock lock(&mutex_);
  for (const ReplicaPtr& known : replicas_) {
    if (known.get() != &replica) continue;
    known->unreachable_ = known->unreachable_ || known->state_.ok();
    known->state_ = absl::UnavailableError("a call found it unreachable");
    UpdateGauges();
  }
}

absl::optional<BackendInfo> BackendPool::AnyInfo() const {
  absl::MutexLock lock(&mutex_);
  absl::optional<BackendInfo> info;
  for (const ReplicaPtr& replica : replicas_) {
    if (!replica->info_.has_value()) continue;
    if (replica->state_.ok()) return replica->info_;
    if (!info.has_value()) info = replica->info_;
  }
  return info;
}

int BackendPool::num_ready() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(std::count_if(
      replicas_.begin(), replicas_.end(),
      [](const ReplicaPtr& replica) { return replica->state_.ok(); }));
}

void BackendPool::UpdateGauges() {
  const auto ready = std::count_if(
      replicas_.begin(), replicas_.end(),
      [](const ReplicaPtr& replica) { return replica->state_.ok(); });
  const auto& gauges = metrics_.backend_replicas[options_.kind];
  gauges[BackendState::kReady].Set(static_cast<double>(ready));
  gauges[BackendState::kUnready].Set(
      static_cast<double>(replicas_.size() - ready));
}

}  // namespace tandem
