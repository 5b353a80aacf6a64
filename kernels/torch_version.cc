#include "kernels/torch_version.h"

#include "kernels/cpu/cpu_level.h"
#include "torch/csrc/api/include/torch/version.h"

namespace tandem {

BuildInfo TorchBuildInfo() {
  return {.backend = "cpu",
          .torch = TORCH_VERSION,
          .cpu_level = CpuLevelName(BestCpuLevel())};
}

}  // namespace tandem
