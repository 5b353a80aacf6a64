#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"

// What device.cc asks the driver: device_cuda.cc, or device_none.cc in a build
// without cards.
namespace tandem::cards {

extern const bool kBuilt;
extern const char* const kVendor;

// 0 where there is no driver.
absl::StatusOr<int> Count();
absl::Status Bind(int index);
absl::StatusOr<Card> Read(int index);

}  // namespace tandem::cards
