#include "kernels/torch_version.h"

#include "kernels/cpu/cpu_level.h"
#include "torch/csrc/api/include/torch/version.h"

namespace tandem {

BuildInfo TorchBuildInfo() {
#ifdef TANDEM_WITH_CUDA
  constexpr char kBackend[] = "cuda";
#else
  constexpr char kBackend[] = "cpu";
#endif
  return {.backend = kBackend,
          .torch = TORCH_VERSION,
          .cpu_level = CpuLevelName(BestCpuLevel())};
}

}  // namespace tandem
