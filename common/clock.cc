#include "common/clock.h"

#include <chrono>

namespace tandem {

absl::Duration RealClock::Monotonic() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace tandem
