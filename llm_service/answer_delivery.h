#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "llm_service/answer.h"

namespace tandem {

// A thread that tells readers about new tokens, so that the engine's thread
// does not spend its steps in the network stack. It also beats: `on_tick` is
// called once a `period`, for whatever has to happen although nothing arrives.
// What waits here is bounded by the answers alive: each is queued once at most.
class AnswerDelivery {
 public:
  AnswerDelivery(absl::Duration period, std::function<void()> on_tick);
  // Tells whoever is still queued, then joins.
  ~AnswerDelivery();

  AnswerDelivery(const AnswerDelivery&) = delete;
  AnswerDelivery& operator=(const AnswerDelivery&) = delete;

  // Queues a Notify for each of `answers`. Thread-safe.
  void Post(std::vector<std::shared_ptr<Answer>> answers)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mutex_);

  const absl::Duration period_;
  const std::function<void()> on_tick_;
  absl::Mutex mutex_;
  // Shared with the reader's call, which may go first.
  std::vector<std::shared_ptr<Answer>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace tandem
