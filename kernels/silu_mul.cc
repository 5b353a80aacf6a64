#include "kernels/silu_mul.h"

#include <c10/util/Exception.h>

#include "kernels/checks.h"
#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/rows.h"
#include "kernels/kernel_set.h"
#include "kernels/plain/plain.h"

namespace tandem {
namespace cpu {
namespace {

void SiluMul(const at::Tensor& gate_up, at::Tensor& out) {
  ForDType(out.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const RowKernels<T>& kernels = ActiveKernels().rows<T>();
    const Rows<T> from(gate_up), to(out);
    const int64_t size = out.size(1);
    ParallelFor(out.size(0), RowGrain(4 * size),
                [&](int64_t begin, int64_t end) {
                  for (int64_t t = begin; t < end; ++t) {
                    kernels.silu_mul(from[t], from[t] + size, size, to[t]);
                  }
                });
  });
}

}  // namespace
}  // namespace cpu

void SiluMul(const at::Tensor& gate_up, at::Tensor& out) {
  CheckTensor("SiluMul", "gate_up", gate_up, 2);
  CheckLike("SiluMul", "out", out, gate_up);
  TORCH_CHECK(
      gate_up.size(0) == out.size(0) && gate_up.size(1) == 2 * out.size(1),
      "SiluMul: gate_up is ", gate_up.sizes(), " for out of ", out.sizes());
  switch (KernelSetOf("SiluMul", out.device())) {
    case KernelSet::kCpu:
      return cpu::SiluMul(gate_up, out);
    case KernelSet::kPlain:
      return plain::SiluMul(gate_up, out);
  }
}

}  // namespace tandem
