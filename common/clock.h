#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace tandem {

// Where time comes from, so that a test can hold it still. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // The calendar: for people, tickets and gRPC deadlines. It may jump.
  virtual absl::Time Now() = 0;

  // Time since a fixed, unknown moment; never goes back. For every duration
  // that is measured and every age that is compared.
  virtual absl::Duration Monotonic() = 0;

  virtual void SleepFor(absl::Duration duration) = 0;
};

class RealClock final : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }
  absl::Duration Monotonic() override;
  void SleepFor(absl::Duration duration) override { absl::SleepFor(duration); }
};

}  // namespace tandem
