#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "llm_service/answer.h"

namespace tandem {

// A thread that tells readers about new tokens, so that the engine's thread
// does not spend its steps in the network stack. It also beats: `on_tick` is
// called once a `period`, for whatever has to happen although nothing arrives,
// by a clock that never jumps.
// What waits here is bounded by the answers alive: each is queued once at most.
class AnswerDelivery {
 public:
  AnswerDelivery(absl::Duration period, std::function<void()> on_tick);
  // Tells whoever is still queued, then joins.
  ~AnswerDelivery();

  AnswerDelivery(const AnswerDelivery&) = delete;
  AnswerDelivery& operator=(const AnswerDelivery&) = delete;

  // Queues a Notify for each of `answers`. Thread-safe.
  void Post(std::vector<std::shared_ptr<Answer>> answers);

 private:
  void Loop();

  const absl::Duration period_;
  const std::function<void()> on_tick_;
  // Guards all below. Not absl::Mutex: its timeouts are moments of the
  // calendar, and the tick would stop for as long as that is set back.
  std::mutex mutex_;
  std::condition_variable changed_;
  // Shared with the reader's call, which may go first.
  std::vector<std::shared_ptr<Answer>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tandem
