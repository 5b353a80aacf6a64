#include "llm_service/answer_delivery.h"

#include <chrono>
#include <iterator>
#include <utility>

namespace tandem {

AnswerDelivery::AnswerDelivery(absl::Duration period,
                               std::function<void()> on_tick)
    : period_(period),
      on_tick_(std::move(on_tick)),
      thread_([this] { Loop(); }) {}

AnswerDelivery::~AnswerDelivery() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void AnswerDelivery::Post(std::vector<std::shared_ptr<Answer>> answers) {
  if (answers.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    queue_.insert(queue_.end(), std::make_move_iterator(answers.begin()),
                  std::make_move_iterator(answers.end()));
  }
  changed_.notify_one();
}

void AnswerDelivery::Loop() {
  using Clock = std::chrono::steady_clock;
  const auto period = absl::ToChronoNanoseconds(period_);
  auto next_tick = Clock::now() + period;
  for (bool stopping = false; !stopping;) {
    std::vector<std::shared_ptr<Answer>> answers;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_until(lock, next_tick,
                          [this] { return stopping_ || !queue_.empty(); });
      answers.swap(queue_);
      stopping = stopping_;
    }
    for (const std::shared_ptr<Answer>& answer : answers) answer->Notify();
    if (Clock::now() < next_tick) continue;
    on_tick_();
    next_tick = Clock::now() + period;
  }
}

}  // namespace tandem
