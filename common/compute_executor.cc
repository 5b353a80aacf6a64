#include "common/compute_executor.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/errors.h"

namespace tandem {

using SteadyClock = std::chrono::steady_clock;

ComputeExecutor::ComputeExecutor(Options options)
    : options_(std::move(options)), last_beat_(SteadyClock::now()) {
  thread_ = std::thread([this] { Loop(); });
}

ComputeExecutor::~ComputeExecutor() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

absl::Status ComputeExecutor::Submit(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (queue_.size() >= static_cast<size_t>(options_.max_queued)) {
    return RetryableError(absl::StatusCode::kResourceExhausted,
                          reason::kOverloaded,
                          absl::StrCat(options_.name, " has ", queue_.size(),
                                       " pieces of work waiting, the most"),
                          absl::Seconds(1));
  }
  // Silence counts from the moment that there is something to do.
  if (!busy_ && queue_.empty()) last_beat_ = SteadyClock::now();
  queue_.push_back(std::move(work));
  return absl::OkStatus();
}

absl::Status ComputeExecutor::Run(std::function<void()> work) {
  absl::Notification done;
  const absl::Status submitted = Submit([&] {
    work();
    done.Notify();
  });
  if (submitted.ok()) done.WaitForNotification();
  return submitted;
}

absl::Duration ComputeExecutor::HeartbeatAge() const {
  absl::MutexLock lock(&mutex_);
  if (!busy_ && queue_.empty()) return absl::ZeroDuration();
  return absl::FromChrono(SteadyClock::now() - last_beat_);
}

void ComputeExecutor::Loop() {
  pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
  const auto has_work = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  };
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(&has_work));
    if (queue_.empty()) return;
    busy_ = true;
    last_beat_ = SteadyClock::now();
    std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    mutex_.Unlock();
    work();
    work = nullptr;  // what it captured goes outside the lock
    mutex_.Lock();
    busy_ = false;
    last_beat_ = SteadyClock::now();
  }
}

}  // namespace tandem
