#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"

namespace tandem {

// Time that moves only when a test says so; sleeping advances it.
class FakeClock final : public Clock {
 public:
  absl::Time Now() override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return start_ + jump_ + elapsed_;
  }
  absl::Duration Monotonic() override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return elapsed_;
  }
  void SleepFor(absl::Duration duration) override { Advance(duration); }

  void Advance(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    elapsed_ += duration;
  }
  // Sets the calendar forward or back, as an administrator would.
  void JumpCalendar(absl::Duration by) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    jump_ += by;
  }

 private:
  const absl::Time start_ = absl::FromUnixSeconds(1'700'000'000);
  absl::Mutex mutex_;
  absl::Duration elapsed_ ABSL_GUARDED_BY(mutex_);
  absl::Duration jump_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
