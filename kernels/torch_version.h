#pragma once

#include "common/metrics.h"

namespace tandem {

// For tandem_build_info: the backend that this build computes with, libtorch's
// version, and the instruction set that this processor runs.
BuildInfo TorchBuildInfo();

}  // namespace tandem
