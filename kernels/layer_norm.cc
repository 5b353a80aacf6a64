#include "kernels/layer_norm.h"

#include "kernels/checks.h"
#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/rows.h"
#include "kernels/kernel_set.h"
#include "kernels/plain/plain.h"

namespace tandem {
namespace cpu {
namespace {

void LayerNorm(const at::Tensor& x, const at::Tensor& weight,
               const at::Tensor& bias, float epsilon, at::Tensor& out) {
  ForDType(x.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const RowKernels<T>& kernels = ActiveKernels().rows<T>();
    const Rows<T> from(x), to(out);
    const int64_t size = x.size(1);
    ParallelFor(x.size(0), RowGrain(size), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        kernels.layer_norm(from[t], Data<T>(weight), Data<T>(bias), epsilon,
                           size, to[t]);
      }
    });
  });
}

}  // namespace
}  // namespace cpu

void LayerNorm(const at::Tensor& x, const at::Tensor& weight,
               const at::Tensor& bias, float epsilon, at::Tensor& out) {
  CheckTensor("LayerNorm", "x", x, 2);
  CheckVector("LayerNorm", "weight", weight, x.size(1), x);
  CheckVector("LayerNorm", "bias", bias, x.size(1), x);
  CheckSameShape("LayerNorm", "out", out, x);
  switch (KernelSetOf("LayerNorm", x.device())) {
    case KernelSet::kCpu:
      return cpu::LayerNorm(x, weight, bias, epsilon, out);
    case KernelSet::kPlain:
      return plain::LayerNorm(x, weight, bias, epsilon, out);
  }
}

}  // namespace tandem
