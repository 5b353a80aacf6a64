#pragma once

#include "common/metrics.h"

namespace tandem {

// For tandem_build_info: the backend that this build computes with and libtorch's
// version.
BuildInfo TorchBuildInfo();

}  // namespace tandem
