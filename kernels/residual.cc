#include "kernels/residual.h"

#include "kernels/checks.h"
#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/rows.h"
#include "kernels/kernel_set.h"
#include "kernels/plain/plain.h"

namespace tandem {
namespace cpu {
namespace {

// `scale` is null where there is none.
void AddResidual(const at::Tensor& x, const at::Tensor* scale,
                 at::Tensor& hidden) {
  ForDType(x.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const RowKernels<T>& kernels = ActiveKernels().rows<T>();
    const Rows<T> from(x), to(hidden);
    const int64_t size = x.size(1);
    ParallelFor(x.size(0), RowGrain(size), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        if (scale == nullptr) {
          kernels.add(from[t], size, to[t]);
        } else {
          kernels.add_scaled(from[t], Data<T>(*scale), size, to[t]);
        }
      }
    });
  });
}

}  // namespace
}  // namespace cpu

void AddResidual(const at::Tensor& x, at::Tensor& hidden) {
  CheckTensor("AddResidual", "x", x, 2);
  CheckSameShape("AddResidual", "hidden", hidden, x);
  switch (KernelSetOf("AddResidual", x.device())) {
    case KernelSet::kCpu:
      return cpu::AddResidual(x, /*scale=*/nullptr, hidden);
    case KernelSet::kPlain:
      return plain::AddResidual(x, hidden);
  }
}

void AddScaledResidual(const at::Tensor& x, const at::Tensor& scale,
                       at::Tensor& hidden) {
  CheckTensor("AddScaledResidual", "x", x, 2);
  CheckVector("AddScaledResidual", "scale", scale, x.size(1), x);
  CheckSameShape("AddScaledResidual", "hidden", hidden, x);
  switch (KernelSetOf("AddScaledResidual", x.device())) {
    case KernelSet::kCpu:
      return cpu::AddResidual(x, &scale, hidden);
    case KernelSet::kPlain:
      return plain::AddScaledResidual(x, scale, hidden);
  }
}

}  // namespace tandem
