#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "tandem/v1/vision.grpc.pb.h"

namespace tandem {

// The vision replicas behind the targets that this service was given: no
// address from a message is ever dialled. Replicas are known by the id that
// they answer to GetInfo; an unknown id makes a thread ask all targets again,
// once for everybody who waits. Thread-safe.
class VisionReplicas {
 public:
  using Stub = v1::VisionService::StubInterface;

  struct Options {
    // As CheckTarget allows; every address behind a name is a replica.
    std::vector<std::string> targets;
    // Replicas in this process.
    std::vector<std::shared_ptr<grpc::Channel>> channels;
    absl::Duration ask_timeout = absl::Seconds(5);
    std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>
        dial;
    // The addresses behind a target; none where its name is unknown just now.
    std::function<std::vector<std::string>(const std::string& target)> resolve;
  };

  // `own` is what this service says of itself: replicas must fit it.
  VisionReplicas(Options options, v1::ServiceInfo own);
  // Finds under way end with UNAVAILABLE.
  ~VisionReplicas();

  // Whether there are targets at all.
  bool empty() const {
    return options_.targets.empty() && options_.channels.empty();
  }

  // Asks all targets and waits for their answers, whatever they are.
  void AskAll() ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls `found`, at once or from another thread, with the replica of that id:
  // FAILED_PRECONDITION EMBEDDING_INCOMPATIBLE where it does not fit; NOT_FOUND
  // EMBEDDING_EXPIRED where every target resolved and every address answered
  // and none is it any more; UNAVAILABLE BACKEND_UNAVAILABLE where some did not
  // or there are none. The stub outlives this object. Within ask_timeout, twice
  // at most.
  using Found = std::function<void(absl::StatusOr<std::shared_ptr<Stub>>)>;
  void Find(const std::string& replica_id, Found found)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Replica {
    std::string address;
    std::shared_ptr<Stub> stub;
    absl::Status pairing;
  };
  struct Waiter {
    std::string replica_id;
    Found found;
  };
  struct Question;

  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether every target resolved; one that did not keeps its addresses.
  bool Dial() ABSL_LOCKS_EXCLUDED(mutex_);
  bool AskRound() ABSL_LOCKS_EXCLUDED(mutex_);
  void Learn(const std::string& address, const std::shared_ptr<Stub>& stub,
             const v1::ServiceInfo& info) ABSL_LOCKS_EXCLUDED(mutex_);
  void AnswerKnown() ABSL_LOCKS_EXCLUDED(mutex_);
  void AnswerRest(bool all_answered) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<Stub>> Lookup(const std::string& id) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const v1::ServiceInfo own_;
  // By target, as it last resolved; thread_'s alone.
  std::map<std::string, std::vector<std::string>> addresses_;
  absl::Mutex mutex_;
  // By address; those in this process are "in-process:<n>".
  std::map<std::string, std::shared_ptr<Stub>> stubs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Replica> by_id_ ABSL_GUARDED_BY(mutex_);
  // Whom this round of questions serves, and whom the next, should this one not
  // find their replicas.
  std::vector<Waiter> served_ ABSL_GUARDED_BY(mutex_);
  std::vector<Waiter> waiting_ ABSL_GUARDED_BY(mutex_);
  int64_t rounds_wanted_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t rounds_done_ ABSL_GUARDED_BY(mutex_) = 0;
  bool asking_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace tandem
