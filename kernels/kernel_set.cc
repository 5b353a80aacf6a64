#include "kernels/kernel_set.h"

#include <atomic>

#include "kernels/checks.h"

namespace tandem {
namespace {

std::atomic<bool>& PlainOnCpu() {
  static std::atomic<bool> plain = false;
  return plain;
}

}  // namespace

KernelSet KernelSetOf(const char* op, at::Device device) {
  if (device.is_cpu()) {
    return PlainOnCpu().load(std::memory_order_relaxed) ? KernelSet::kPlain
                                                        : KernelSet::kCpu;
  }
#ifdef TANDEM_WITH_CUDA
  if (device.is_cuda()) return KernelSet::kPlain;
#endif
  ThrowNoDevice(op, device);
}

void UsePlainKernels(bool plain) {
  PlainOnCpu().store(plain, std::memory_order_relaxed);
}

}  // namespace tandem
