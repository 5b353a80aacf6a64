#include "tests/kernels/test_compute.h"

#include <algorithm>

#include "kernels/device.h"
#include "kernels/kernel_set.h"

namespace tandem {

std::string TestCompute::name() const {
  if (device != "cpu") return "cuda0";  // a test's name takes no colon
  return plain ? "plain" : CpuLevelName(level);
}

std::vector<TestCompute> MainTestComputes() {
  std::vector<TestCompute> computes = {{}, {.plain = true}};
  if (ParseDevice("test", "cuda:0").ok()) {
    computes.push_back({.device = "cuda:0"});
  }
  return computes;
}

std::vector<TestCompute> AllTestComputes() {
  std::vector<TestCompute> computes = MainTestComputes();
  computes[0].level = CpuLevel::kGeneric;
  computes.insert(computes.begin() + 1,
                  {{.level = CpuLevel::kAvx2}, {.level = CpuLevel::kAvx512}});
  return computes;
}

ComputeScope::ComputeScope(const TestCompute& compute) {
  UsePlainKernels(compute.plain);
  SetCpuLevelForTest(std::min(compute.level, BestCpuLevel()));
}

ComputeScope::~ComputeScope() {
  UsePlainKernels(false);
  SetCpuLevelForTest(BestCpuLevel());
}

}  // namespace tandem
