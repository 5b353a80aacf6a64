#include "llm_service/engine_mailbox.h"

#include <utility>

namespace tandem {

EngineMailbox::EngineMailbox(ComputeExecutor& executor,
                             std::function<void()> step)
    : executor_(executor), step_(std::move(step)) {}

bool EngineMailbox::Post(Generation generation,
                         std::shared_ptr<Answer> answer) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return false;
  mail_.requests.push_back(
      {++last_id_, std::move(generation), std::move(answer)});
  QueueStep();
  return true;
}

void EngineMailbox::Post(Tile tile) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return;
  mail_.tiles.push_back(std::move(tile));
  QueueStep();
}

void EngineMailbox::Post(PullError error) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return;
  mail_.pull_errors.push_back(std::move(error));
  QueueStep();
}

void EngineMailbox::Wake() {
  absl::MutexLock lock(&mutex_);
  QueueStep();
}

EngineMailbox::Mail EngineMailbox::Take() {
  absl::MutexLock lock(&mutex_);
  woken_ = false;
  return std::exchange(mail_, Mail());
}

void EngineMailbox::EndStep(bool more) {
  absl::MutexLock lock(&mutex_);
  step_queued_ = false;
  if (more || woken_) QueueStep();
}

EngineMailbox::Mail EngineMailbox::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  return std::exchange(mail_, Mail());
}

void EngineMailbox::QueueStep() {
  woken_ = true;
  if (closed_ || step_queued_) return;
  // A full executor refuses: the next Wake, at the latest the engine's tick,
  // tries again.
  step_queued_ = executor_.Submit(step_).ok();
}

}  // namespace tandem
