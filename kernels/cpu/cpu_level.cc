#include "kernels/cpu/cpu_level.h"

#include <atomic>

namespace tandem {
namespace {

CpuLevel DetectCpuLevel() {
#ifdef TANDEM_X86_64
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    return CpuLevel::kGeneric;
  }
  const bool avx512 =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? CpuLevel::kAvx512 : CpuLevel::kAvx2;
#else
  return CpuLevel::kGeneric;
#endif
}

std::atomic<CpuLevel>& ActiveLevel() {
  static std::atomic<CpuLevel> level = BestCpuLevel();
  return level;
}

}  // namespace

const char* CpuLevelName(CpuLevel level) {
  switch (level) {
    case CpuLevel::kGeneric:
      return "generic";
    case CpuLevel::kAvx2:
      return "avx2";
    case CpuLevel::kAvx512:
      return "avx512";
  }
  return "unknown";
}

CpuLevel BestCpuLevel() {
  static const CpuLevel best = DetectCpuLevel();
  return best;
}

CpuLevel ActiveCpuLevel() {
  return ActiveLevel().load(std::memory_order_relaxed);
}

void SetCpuLevelForTest(CpuLevel level) {
  ActiveLevel().store(level, std::memory_order_relaxed);
}

namespace cpu {

const CpuKernels& ActiveKernels() {
  switch (ActiveCpuLevel()) {
#ifdef TANDEM_X86_64
    case CpuLevel::kAvx512:
      return kAvx512Kernels;
    case CpuLevel::kAvx2:
      return kAvx2Kernels;
#endif
    default:
      return kGenericKernels;
  }
}

}  // namespace cpu
}  // namespace tandem
