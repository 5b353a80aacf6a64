// The CUDA runtime, or what stands in for it on MetaX cards: only calls that
// both have.
#include <ATen/Context.h>
#include <cuda_runtime_api.h>

#include <fstream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "kernels/device_cards.h"

namespace tandem::cards {
namespace {

absl::Status FromRuntime(absl::string_view what, cudaError_t error) {
  if (error == cudaSuccess) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInternal, reason::kInternal,
                   absl::StrCat(what, ": ", cudaGetErrorString(error)));
}

// Two machines may have a card on the same bus: the running kernel's own number
// tells them apart, in containers too.
std::string MachineId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return std::string(absl::StripAsciiWhitespace(id));
}

}  // namespace

const bool kBuilt = true;
#ifdef USE_MACA
const char* const kVendor = "metax";
#else
const char* const kVendor = "nvidia";
#endif

absl::StatusOr<int> Count() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver) {
    return 0;
  }
  TANDEM_RETURN_IF_ERROR(FromRuntime("counting cards", error));
  return count;
}

absl::Status Bind(int index) {
  // Sums of bfloat16 products stay in float32, as kernels/linear.h promises.
  at::globalContext().setAllowBF16ReductionCuBLAS(false);
  return FromRuntime(absl::StrCat("cuda:", index), cudaSetDevice(index));
}

absl::StatusOr<Card> Read(int index) {
  int before = 0;
  TANDEM_RETURN_IF_ERROR(
      FromRuntime("the card in use", cudaGetDevice(&before)));
  Card card;
  card.device = absl::StrCat("cuda:", index);
  cudaDeviceProp properties;
  char bus[32] = {};
  size_t free = 0, total = 0;
  TANDEM_RETURN_IF_ERROR(
      FromRuntime(card.device, cudaGetDeviceProperties(&properties, index)));
  TANDEM_RETURN_IF_ERROR(
      FromRuntime(card.device, cudaDeviceGetPCIBusId(bus, sizeof(bus), index)));
  TANDEM_RETURN_IF_ERROR(FromRuntime(card.device, cudaSetDevice(index)));
  const cudaError_t memory = cudaMemGetInfo(&free, &total);
  if (before != index) cudaSetDevice(before);
  TANDEM_RETURN_IF_ERROR(FromRuntime(card.device, memory));
  card.name = properties.name;
  card.id = absl::StrCat(MachineId(), "/", absl::AsciiStrToLower(bus));
  card.free_bytes = static_cast<int64_t>(free);
  card.total_bytes = static_cast<int64_t>(total);
  return card;
}

}  // namespace tandem::cards
