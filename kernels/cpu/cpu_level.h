#pragma once

#include "kernels/cpu/cpu_kernels.h"

namespace tandem {

// Instruction sets that the CPU kernels are built for, weakest first. Results
// are reproducible within a level and differ between any two in the last bits:
// the sums of norms and softmax interleave by the width of a vector, and
// kGeneric rounds its multiply-adds twice.
enum class CpuLevel { kGeneric, kAvx2, kAvx512 };

const char* CpuLevelName(CpuLevel level);

// The strongest level that this processor runs and this program was built for.
CpuLevel BestCpuLevel();

// The level in use: the best, unless a test asked for another.
CpuLevel ActiveCpuLevel();

// For tests. REQUIRES level <= BestCpuLevel(), and no kernel running.
void SetCpuLevelForTest(CpuLevel level);

namespace cpu {
const CpuKernels& ActiveKernels();
}  // namespace cpu

}  // namespace tandem
