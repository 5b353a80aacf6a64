#include "llm_service/worker_pool.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace tandem {

WorkerPool::WorkerPool(Options options) : options_(options) {
  for (int i = 0; i < options_.num_threads; ++i) {
    threads_.emplace_back([this] { Loop(); });
  }
}

WorkerPool::~WorkerPool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status WorkerPool::Submit(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (static_cast<int>(queue_.size()) >= options_.max_queued) {
    return RetryableError(
        absl::StatusCode::kResourceExhausted, reason::kOverloaded,
        absl::StrCat(queue_.size(), " requests wait for a worker, at most ",
                     options_.max_queued),
        absl::Seconds(1), {{"limit", absl::StrCat(options_.max_queued)}});
  }
  queue_.push_back(std::move(work));
  return absl::OkStatus();
}

void WorkerPool::Loop() {
  const auto awake = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  };
  while (true) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&awake));
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace tandem
