#include "llm_service/answer.h"

namespace tandem {

Answer::Answer(int capacity, std::function<void()> on_ready,
               std::function<void()> on_reader)
    : capacity_(capacity),
      on_ready_(std::move(on_ready)),
      on_reader_(std::move(on_reader)) {}

Answer::Batch Answer::Read() {
  Batch batch;
  {
    absl::MutexLock lock(&mutex_);
    batch = std::exchange(batch_, Batch());
    told_ = false;
  }
  if (static_cast<int>(batch.tokens.size()) >= capacity_) on_reader_();
  return batch;
}

absl::Status Answer::failure() const {
  absl::MutexLock lock(&mutex_);
  if (!given_up_.ok()) return given_up_;
  return batch_.end.has_value() ? batch_.end->status : absl::OkStatus();
}

void Answer::Cancel() {
  cancelled_ = true;
  on_reader_();
}

bool Answer::Push(AnswerToken token) {
  absl::MutexLock lock(&mutex_);
  batch_.tokens.push_back(std::move(token));
  return MustTell();
}

bool Answer::End(AnswerEnd end) {
  absl::MutexLock lock(&mutex_);
  batch_.end = std::move(end);
  return MustTell() || !batch_.end->status.ok();
}

void Answer::GiveUp(absl::Status why) {
  absl::MutexLock lock(&mutex_);
  given_up_ = std::move(why);
}

bool Answer::full() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(batch_.tokens.size()) >= capacity_;
}

bool Answer::MustTell() { return !std::exchange(told_, true); }

}  // namespace tandem
