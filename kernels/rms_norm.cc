#include "kernels/rms_norm.h"

#include "kernels/checks.h"
#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/rows.h"
#include "kernels/kernel_set.h"
#include "kernels/plain/plain.h"

namespace tandem {
namespace cpu {
namespace {

void RmsNorm(const at::Tensor& x, const at::Tensor& weight, float epsilon,
             at::Tensor& out) {
  ForDType(x.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const RowKernels<T>& kernels = ActiveKernels().rows<T>();
    const Rows<T> from(x), to(out);
    const int64_t size = x.size(1);
    ParallelFor(x.size(0), RowGrain(size), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        kernels.rms_norm(from[t], Data<T>(weight), epsilon, size, to[t]);
      }
    });
  });
}

}  // namespace
}  // namespace cpu

void RmsNorm(const at::Tensor& x, const at::Tensor& weight, float epsilon,
             at::Tensor& out) {
  CheckTensor("RmsNorm", "x", x, 2);
  CheckVector("RmsNorm", "weight", weight, x.size(1), x);
  CheckSameShape("RmsNorm", "out", out, x);
  switch (KernelSetOf("RmsNorm", x.device())) {
    case KernelSet::kCpu:
      return cpu::RmsNorm(x, weight, epsilon, out);
    case KernelSet::kPlain:
      return plain::RmsNorm(x, weight, epsilon, out);
  }
}

}  // namespace tandem
