#include "llm_service/answer_delivery.h"

#include <iterator>
#include <utility>

#include "absl/time/clock.h"

namespace tandem {

AnswerDelivery::AnswerDelivery(absl::Duration period,
                               std::function<void()> on_tick)
    : period_(period),
      on_tick_(std::move(on_tick)),
      thread_([this] { Loop(); }) {}

AnswerDelivery::~AnswerDelivery() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void AnswerDelivery::Post(std::vector<std::shared_ptr<Answer>> answers) {
  if (answers.empty()) return;
  absl::MutexLock lock(&mutex_);
  queue_.insert(queue_.end(), std::make_move_iterator(answers.begin()),
                std::make_move_iterator(answers.end()));
}

void AnswerDelivery::Loop() {
  const auto awake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  };
  absl::Time next_tick = absl::Now() + period_;
  for (bool stopping = false; !stopping;) {
    std::vector<std::shared_ptr<Answer>> answers;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithDeadline(absl::Condition(&awake), next_tick);
      answers.swap(queue_);
      stopping = stopping_;
    }
    for (const std::shared_ptr<Answer>& answer : answers) answer->Notify();
    if (absl::Now() < next_tick) continue;
    on_tick_();
    next_tick = absl::Now() + period_;
  }
}

}  // namespace tandem
