#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/cpu/cpu_level.h"

namespace tandem {

// What one list of kernel tests runs on: an instruction set and a dtype.
struct KernelCase {
  CpuLevel level = CpuLevel::kGeneric;
  at::ScalarType dtype = at::kFloat;

  // A bound for values of about 1 that were rounded once to the dtype.
  float tolerance() const { return dtype == at::kFloat ? 2e-5f : 1.0f / 128; }
  std::string name() const {
    return std::string(CpuLevelName(level)) +
           (dtype == at::kFloat ? "Float32" : "BFloat16");
  }
  friend std::ostream& operator<<(std::ostream& os, const KernelCase& c) {
    return os << c.name();
  }
};

// Runs each test at the level of its case, and puts the best back.
class KernelTest : public testing::TestWithParam<KernelCase> {
 protected:
  void SetUp() override {
    if (GetParam().level > BestCpuLevel()) {
      GTEST_SKIP() << "this processor has no "
                   << CpuLevelName(GetParam().level);
    }
    SetCpuLevelForTest(GetParam().level);
  }
  void TearDown() override { SetCpuLevelForTest(BestCpuLevel()); }

  // Normal values of the case's dtype, the same for the same seed.
  at::Tensor Random(const std::vector<int64_t>& sizes, uint64_t seed,
                    float scale = 1) const;
  at::Tensor Empty(const std::vector<int64_t>& sizes) const;
};

std::vector<KernelCase> AllKernelCases();

// |got - want| <= tolerance * (1 + |want|) everywhere; says where it is not. In
// bfloat16 also equal but for 1 + numel / 100 values: both sides round at the
// same points, so only a sum that ends near a tie may go the other way. The
// tolerance alone is larger than a rounding and would not see one left out.
// Differences below 1e-5 are float32's own, as in Gelu's far tail.
void ExpectClose(const at::Tensor& got, const at::Tensor& want,
                 float tolerance);
// Same shape, every value equal.
void ExpectEqual(const at::Tensor& got, const at::Tensor& want);

// `compute` gives the same values, bit by bit, with 1, 2 and 3 threads.
void ExpectSameOnAnyNumberOfThreads(const std::function<at::Tensor()>& compute);

}  // namespace tandem
