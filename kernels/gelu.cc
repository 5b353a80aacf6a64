#include "kernels/gelu.h"

#include "kernels/checks.h"
#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/rows.h"
#include "kernels/kernel_set.h"
#include "kernels/plain/plain.h"

namespace tandem {
namespace cpu {
namespace {

void Gelu(const at::Tensor& x, at::Tensor& out) {
  ForDType(x.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const RowKernels<T>& kernels = ActiveKernels().rows<T>();
    const Rows<T> from(x), to(out);
    const int64_t size = x.size(1);
    ParallelFor(x.size(0), RowGrain(4 * size), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) kernels.gelu(from[t], size, to[t]);
    });
  });
}

}  // namespace
}  // namespace cpu

void Gelu(const at::Tensor& x, at::Tensor& out) {
  CheckTensor("Gelu", "x", x, 2);
  CheckSameShape("Gelu", "out", out, x);
  switch (KernelSetOf("Gelu", x.device())) {
    case KernelSet::kCpu:
      return cpu::Gelu(x, out);
    case KernelSet::kPlain:
      return plain::Gelu(x, out);
  }
}

}  // namespace tandem
