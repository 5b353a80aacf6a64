#pragma once

#include <ATen/core/Tensor.h>

namespace tandem {

// out = 0.5 * x * (1 + erf(x / sqrt(2)))
//   x    [num_tokens, size], float32 or bfloat16
//   out  like x; may be x itself
// Rows may be strided; the last dimension is dense. In float32, rounded once;
// the CPU's fast path is within 4e-7 * max(1, |x|) of the exact value. Queued
// on x's current stream. A breach of the shapes throws c10::Error. Source:
// arXiv:1606.08415, the form with erf.
void Gelu(const at::Tensor& x, at::Tensor& out);

}  // namespace tandem
