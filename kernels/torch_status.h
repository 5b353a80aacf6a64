#pragma once

#include <functional>

#include "absl/status/status.h"

namespace tandem {

// Runs `work`, which calls libtorch, and stops its exceptions here:
// RESOURCE_EXHAUSTED DEVICE_OUT_OF_MEMORY when memory ran out, on the host or
// on a card, else INTERNAL with the first line of what libtorch said.
absl::Status TorchToStatus(const std::function<absl::Status()>& work);

}  // namespace tandem
