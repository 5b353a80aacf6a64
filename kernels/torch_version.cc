#include "kernels/torch_version.h"

#include "torch/csrc/api/include/torch/version.h"

namespace tandem {

BuildInfo TorchBuildInfo() {
  return {.backend = "cpu", .torch = TORCH_VERSION};
}

}  // namespace tandem
