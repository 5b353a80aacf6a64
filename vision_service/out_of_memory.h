#pragma once

#include <new>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/errors.h"

namespace tandem {

// What `work`, which answers an absl::Status or StatusOr, says. Where memory
// runs out in it: RESOURCE_EXHAUSTED DEVICE_OUT_OF_MEMORY, with a delay, saying
// for `what`.
template <class Work>
auto CatchOutOfMemory(absl::string_view what, Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return RetryableError(
        absl::StatusCode::kResourceExhausted, reason::kDeviceOutOfMemory,
        absl::StrCat("the host has no memory to ", what), absl::Seconds(1));
  }
}

}  // namespace tandem
