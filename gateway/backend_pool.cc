#include "gateway/backend_pool.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

// FNV-1a and the last step of MurmurHash3, without which addresses that differ
// in their last digits come in nearly the same order for every key: a hash that
// all gateways and all builds agree on.
uint64_t StableHash(absl::string_view key, absl::string_view address) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const absl::string_view part : {key, absl::string_view("/"), address}) {
    for (const char c : part) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    }
  }
  hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDu;
  hash = (hash ^ (hash >> 33)) * 0xC4CEB9FE1A85EC53u;
  return hash ^ (hash >> 33);
}

bool IsName(const BackendTarget& target) {
  return target.channel == nullptr && absl::StartsWith(target.name, "dns:///");
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
  EndCall();
  replica_ = nullptr;
}

void BackendPool::Lease::EndCall() {
  if (pool_ == nullptr) return;
  absl::MutexLock lock(&pool_->mutex_);
  --replica_->new_calls_;
  pool_ = nullptr;
}

BackendPool::BackendPool(Options options, Ask ask, GatewayMetrics& metrics,
                         GrpcMetrics* grpc_metrics)
    : options_(std::move(options)),
      ask_(std::move(ask)),
      metrics_(metrics),
      grpc_metrics_(grpc_metrics),
      service_name_(options_.kind == Backend::kVision ? "vision" : "llm") {
  SetReplicas();  // those that need no look-up are asked at once
  if (std::any_of(options_.targets.begin(), options_.targets.end(), IsName)) {
    resolving_ = std::thread([this] { ResolveLoop(); });
  } else {
    absl::MutexLock lock(&mutex_);
    resolved_ = true;
  }
  asking_ = std::thread([this] { AskLoop(); });
}

BackendPool::~BackendPool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (resolving_.joinable()) resolving_.join();
  asking_.join();
  // Each question ends within its own deadline.
  absl::MutexLock lock(&mutex_);
  const auto none_asking = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return num_asking_ == 0;
  };
  mutex_.Await(absl::Condition(&none_asking));
}

// On a thread of its own: the system's resolver may block for many seconds, and
// who is known must be asked meanwhile.
void BackendPool::ResolveLoop() {
  while (true) {
    Resolve();
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_),
                            options_.resolve_every);
    if (stopping_) return;
  }
}

// One name after the other: each is asked as soon as it is found.
void BackendPool::Resolve() {
  for (const BackendTarget& target : options_.targets) {
    if (!IsName(target)) continue;
    std::vector<std::string> found = options_.resolve(target.name);
    // A name that resolves to nothing keeps its old addresses until they prove
    // dead.
    if (found.empty()) continue;
    last_found_[target.name] = std::move(found);
    SetReplicas();
  }
  absl::MutexLock lock(&mutex_);
  resolved_ = true;
}

void BackendPool::AskLoop() {
  while (true) {
    AskAll();
    absl::MutexLock lock(&mutex_);
    const auto wanted = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return stopping_ || has_new_;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&wanted), options_.ask_every);
    if (stopping_) return;
  }
}

std::vector<BackendTarget> BackendPool::Addresses() const {
  std::vector<BackendTarget> addresses;
  for (const BackendTarget& target : options_.targets) {
    if (!IsName(target)) {
      addresses.push_back(target);
    } else if (const auto found = last_found_.find(target.name);
               found != last_found_.end()) {
      for (const std::string& address : found->second) {
        addresses.push_back({address, nullptr});
      }
    }
  }
  return addresses;
}

void BackendPool::SetReplicas() {
  const std::vector<BackendTarget> addresses = Addresses();
  const auto find = [](const std::vector<ReplicaPtr>& replicas,
                       const std::string& address) {
    return std::find_if(replicas.begin(), replicas.end(),
                        [&](const ReplicaPtr& replica) {
                          return replica->address() == address;
                        });
  };
  absl::MutexLock lock(&mutex_);
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
    has_new_ = true;
  }
  replicas_ = std::move(replicas);
  UpdateGauges();
}

void BackendPool::AskAll() {
  std::vector<ReplicaPtr> to_ask;
  {
    absl::MutexLock lock(&mutex_);
    has_new_ = false;
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
  if (info.ok()) {
    replica->info_ = *std::move(info);
    replica->new_calls_ = 0;
  }
  UpdateGauges();
}

bool BackendPool::WaitUntilAsked(absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  const auto all_asked = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return resolved_ && std::all_of(replicas_.begin(), replicas_.end(),
                                    [](const ReplicaPtr& replica) {
                                      return replica->asked_;
                                    });
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&all_asked), timeout);
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
  const ReplicaPtr best = Choose(key, std::move(candidates));
  Lease lease;
  lease.pool_ = this;
  lease.replica_ = best;
  lease.info_ = *best->info_;
  ++best->new_calls_;
  return lease;
}

void BackendPool::Sort(absl::string_view key,
                       std::vector<ReplicaPtr>& replicas) {
  std::sort(replicas.begin(), replicas.end(),
            [&](const ReplicaPtr& a, const ReplicaPtr& b) {
              return StableHash(key, a->address()) >
                     StableHash(key, b->address());
            });
}

BackendPool::ReplicaPtr BackendPool::Choose(
    absl::string_view key, std::vector<ReplicaPtr> candidates) const {
  if (!key.empty()) {
    Sort(key, candidates);
    if (options_.kind == Backend::kLlm) {
      double sum = 0;
      for (const ReplicaPtr& replica : candidates) sum += replica->Load();
      const double most =
          1.25 * sum / static_cast<double>(candidates.size()) + 1;
      return *std::find_if(
          candidates.begin(), candidates.end(),
          [&](const ReplicaPtr& replica) { return replica->Load() <= most; });
    }
    candidates.resize(std::min<size_t>(candidates.size(), 2));
  }
  return *std::min_element(candidates.begin(), candidates.end(),
                           [](const ReplicaPtr& a, const ReplicaPtr& b) {
                             return a->Load() < b->Load();
                           });
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
