#include "tests/kernels/kernel_case.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>

#include <cmath>
#include <random>

namespace tandem {

at::Tensor KernelTest::Random(const std::vector<int64_t>& sizes, uint64_t seed,
                              float scale) const {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  at::Tensor values = at::empty(sizes, at::TensorOptions().dtype(at::kFloat));
  for (int64_t i = 0; i < values.numel(); ++i) {
    values.data_ptr<float>()[i] = normal(generator);
  }
  return values.to(GetParam().dtype);
}

at::Tensor KernelTest::Empty(const std::vector<int64_t>& sizes) const {
  at::Tensor values =
      at::empty(sizes, at::TensorOptions().dtype(GetParam().dtype));
  return values.fill_(NAN);  // what a kernel forgets to write shows
}

std::vector<KernelCase> AllKernelCases() {
  std::vector<KernelCase> cases;
  for (const CpuLevel level :
       {CpuLevel::kGeneric, CpuLevel::kAvx2, CpuLevel::kAvx512}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      cases.push_back({level, dtype});
    }
  }
  return cases;
}

void ExpectClose(const at::Tensor& got, const at::Tensor& want,
                 float tolerance) {
  ASSERT_EQ(got.sizes(), want.sizes());
  ASSERT_EQ(got.scalar_type(), want.scalar_type());
  const at::Tensor a = got.to(at::kFloat).contiguous();
  const at::Tensor b = want.to(at::kFloat).contiguous();
  int64_t num_different = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const float x = a.data_ptr<float>()[i], y = b.data_ptr<float>()[i];
    ASSERT_LE(std::abs(x - y), tolerance * (1 + std::abs(y)))
        << "value " << i << " is " << x << ", not " << y;
    num_different += std::abs(x - y) > 1e-5f;
  }
  if (got.scalar_type() == at::kBFloat16) {
    EXPECT_LE(num_different, 1 + a.numel() / 100) << "of " << a.numel();
  }
}

void ExpectEqual(const at::Tensor& got, const at::Tensor& want) {
  ASSERT_EQ(got.sizes(), want.sizes());
  EXPECT_TRUE(at::equal(got, want));
}

void ExpectSameOnAnyNumberOfThreads(
    const std::function<at::Tensor()>& compute) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor want = compute();
  EXPECT_TRUE(want.isfinite().all().item<bool>());
  for (const int threads : {2, 3}) {
    SCOPED_TRACE(threads);
    at::set_num_threads(threads);
    ASSERT_EQ(at::get_num_threads(), threads);
    ExpectEqual(compute(), want);
  }
  at::set_num_threads(before);
}

}  // namespace tandem
