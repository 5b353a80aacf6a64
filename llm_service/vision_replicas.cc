#include "llm_service/vision_replicas.h"

#include <atomic>
#include <chrono>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/pairing.h"

namespace tandem {
namespace {

constexpr absl::string_view kInProcess = "in-process:";

absl::Status Unavailable(absl::string_view message) {
  return RetryableError(absl::StatusCode::kUnavailable,
                        reason::kBackendUnavailable, message, absl::Seconds(1));
}

absl::Status Forgotten() {
  return MakeError(absl::StatusCode::kNotFound, reason::kEmbeddingExpired,
                   "no vision service is the replica that held the image");
}

}  // namespace

VisionReplicas::VisionReplicas(Options options, v1::ServiceInfo own)
    : options_(std::move(options)), own_(std::move(own)) {
  int number = 0;
  for (const std::shared_ptr<grpc::Channel>& channel : options_.channels) {
    stubs_[absl::StrCat(kInProcess, number++)] =
        v1::VisionService::NewStub(channel);
  }
  thread_ = std::thread([this] { Loop(); });
}

VisionReplicas::~VisionReplicas() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  for (Waiter& waiter : waiting_) {
    waiter.found(Unavailable("the llm service is stopping"));
  }
}

void VisionReplicas::AskAll() {
  absl::MutexLock lock(&mutex_);
  // A round under way may have begun too early to count.
  const int64_t wanted = rounds_wanted_ = rounds_done_ + (asking_ ? 2 : 1);
  const auto done = [this, wanted]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return rounds_done_ >= wanted || stopping_;
  };
  mutex_.Await(absl::Condition(&done));
}

void VisionReplicas::Find(const std::string& replica_id, Found found) {
  if (empty()) {
    return found(Unavailable("this llm service was started without vision"));
  }
  absl::StatusOr<std::shared_ptr<Stub>> known;
  {
    absl::MutexLock lock(&mutex_);
    known = Lookup(replica_id);
    if (absl::IsNotFound(known.status())) {
      waiting_.push_back({replica_id, std::move(found)});
      return;
    }
  }
  found(std::move(known));
}

absl::StatusOr<std::shared_ptr<VisionReplicas::Stub>> VisionReplicas::Lookup(
    const std::string& id) const {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return Forgotten();
  if (!it->second.pairing.ok()) return it->second.pairing;
  return it->second.stub;
}

void VisionReplicas::Loop() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      const auto wanted = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !waiting_.empty() || rounds_wanted_ > rounds_done_;
      };
      mutex_.Await(absl::Condition(&wanted));
      if (stopping_) return;
      served_.swap(waiting_);
      asking_ = true;
    }
    const bool all_resolved = Dial();
    const bool all_answered = AskRound();
    AnswerRest(all_resolved && all_answered);
    absl::MutexLock lock(&mutex_);
    ++rounds_done_;
    asking_ = false;
  }
}

bool VisionReplicas::Dial() {
  bool all_resolved = true;
  std::set<std::string> wanted;
  for (const std::string& target : options_.targets) {
    std::vector<std::string> found = options_.resolve(target);
    std::vector<std::string>& addresses = addresses_[target];
    if (found.empty()) {
      all_resolved = false;
    } else {
      addresses = std::move(found);
    }
    wanted.insert(addresses.begin(), addresses.end());
  }
  const auto is_gone = [&wanted](const std::string& address) {
    return !absl::StartsWith(address, kInProcess) && wanted.count(address) == 0;
  };
  absl::MutexLock lock(&mutex_);
  for (auto it = stubs_.begin(); it != stubs_.end();) {
    it = is_gone(it->first) ? stubs_.erase(it) : std::next(it);
  }
  // Pulls under way share their stubs.
  for (auto it = by_id_.begin(); it != by_id_.end();) {
    it = is_gone(it->second.address) ? by_id_.erase(it) : std::next(it);
  }
  for (const std::string& address : wanted) {
    std::shared_ptr<Stub>& stub = stubs_[address];
    if (stub == nullptr) {
      stub = v1::VisionService::NewStub(options_.dial(address));
    }
  }
  return all_resolved;
}

// One question to one replica; lives until its answer.
struct VisionReplicas::Question {
  std::string address;
  std::shared_ptr<Stub> stub;
  grpc::ClientContext context;
  v1::GetVisionInfoRequest request;
  v1::GetVisionInfoResponse response;
};

bool VisionReplicas::AskRound() {
  std::vector<std::unique_ptr<Question>> questions;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [address, stub] : stubs_) {
      questions.push_back(std::make_unique<Question>());
      questions.back()->address = address;
      questions.back()->stub = stub;
    }
  }
  absl::BlockingCounter pending(static_cast<int>(questions.size()));
  std::atomic<int> answered = 0;
  for (const std::unique_ptr<Question>& question : questions) {
    Question* const q = question.get();
    q->context.set_deadline(std::chrono::system_clock::now() +
                            absl::ToChronoMilliseconds(options_.ask_timeout));
    q->stub->async()->GetInfo(
        &q->context, &q->request, &q->response,
        [this, q, &pending, &answered](const grpc::Status& status) {
          // Whoever knows its weights can serve what it has given out, even
          // while it is not ready for more.
          if (status.ok() && !q->response.info().fingerprint().empty()) {
            ++answered;
            Learn(q->address, q->stub, q->response.info());
            AnswerKnown();
          }
          pending.DecrementCount();
        });
  }
  pending.Wait();
  return answered == static_cast<int>(questions.size());
}

void VisionReplicas::Learn(const std::string& address,
                           const std::shared_ptr<Stub>& stub,
                           const v1::ServiceInfo& info) {
  // Who may share a card is the gateway's to say.
  const absl::Status pairing =
      CheckPairing(info, own_, /*allow_shared_device=*/true);
  if (!pairing.ok()) {
    LogError("a vision service does not fit this llm service",
             {{"address", address}, {"why", pairing.message()}});
  }
  absl::MutexLock lock(&mutex_);
  // A restarted process answers at the old address under a new id.
  for (auto it = by_id_.begin(); it != by_id_.end();) {
    it = it->second.address == address ? by_id_.erase(it) : std::next(it);
  }
  by_id_[info.replica_id()] = {address, stub, pairing};
}

void VisionReplicas::AnswerKnown() {
  std::vector<std::pair<Found, absl::StatusOr<std::shared_ptr<Stub>>>> answers;
  {
    absl::MutexLock lock(&mutex_);
    for (std::vector<Waiter>* waiters : {&served_, &waiting_}) {
      std::vector<Waiter> left;
      for (Waiter& waiter : *waiters) {
        auto replica = Lookup(waiter.replica_id);
        if (absl::IsNotFound(replica.status())) {
          left.push_back(std::move(waiter));
        } else {
          answers.emplace_back(std::move(waiter.found), std::move(replica));
        }
      }
      *waiters = std::move(left);
    }
  }
  for (auto& [found, replica] : answers) found(std::move(replica));
}

void VisionReplicas::AnswerRest(bool all_answered) {
  std::vector<Waiter> rest;
  {
    absl::MutexLock lock(&mutex_);
    rest.swap(served_);
  }
  for (Waiter& waiter : rest) {
    waiter.found(all_answered
                     ? Forgotten()
                     : Unavailable("the vision replica is unknown, and some "
                                   "did not answer"));
  }
}

}  // namespace tandem
