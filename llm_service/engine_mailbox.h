#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/compute_executor.h"
#include "llm_service/answer.h"
#include "llm_service/embedding_source.h"
#include "llm_service/generation.h"

namespace tandem {

// What other threads tell the engine, and the call that makes it look: at most
// one step waits in the executor at any time. Thread-safe.
//
// Bounds: requests by `max_requests`, tiles by what the engine has asked for,
// errors by one for each pull.
class EngineMailbox {
 public:
  struct Request {
    uint64_t id = 0;
    Generation generation;
    std::shared_ptr<Answer> answer;
  };
  struct Tile {
    uint64_t id = 0;  // of the request
    PulledTile tile;
  };
  struct PullError {
    uint64_t id = 0;
    absl::Status status;
  };
  struct Mail {
    std::vector<Request> requests;
    std::vector<Tile> tiles;
    std::vector<PullError> pull_errors;
  };

  // `step` runs on the executor; neither is touched after Close.
  EngineMailbox(ComputeExecutor& executor, std::function<void()> step);

  // Gives the request its number. False, and nothing kept, when closed.
  bool Post(Generation generation, std::shared_ptr<Answer> answer);
  void Post(Tile tile) ABSL_LOCKS_EXCLUDED(mutex_);
  void Post(PullError error) ABSL_LOCKS_EXCLUDED(mutex_);
  // Something else has changed: a reader, the time.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);

  // In a step: everything there is.
  Mail Take() ABSL_LOCKS_EXCLUDED(mutex_);
  // The end of a step; `more` asks for another one at once.
  void EndStep(bool more) ABSL_LOCKS_EXCLUDED(mutex_);

  // Nothing is kept and no step is queued from now on. Answers what was not
  // taken.
  Mail Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void QueueStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ComputeExecutor& executor_;
  const std::function<void()> step_;
  absl::Mutex mutex_;
  Mail mail_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool step_queued_ ABSL_GUARDED_BY(mutex_) = false;
  // A Wake since the last Take: the step that runs now may have looked before.
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tandem
