#pragma once

#include <ATen/core/Tensor.h>

namespace tandem {

// out[t, i] = round(silu(gate[t, i])) * up[t, i],  silu(x) = x / (1 + exp(-x))
//   gate_up  [num_tokens, 2 * size], float32 or bfloat16: gate, then up
//   out      [num_tokens, size], same dtype and device; must not overlap
//   gate_up
// Rows may be strided; the last dimension is dense. silu is computed in float32
// and rounded to the dtype, the product is rounded again, as the model's
// reference does. Queued on gate_up's current stream. A breach of the shapes
// throws c10::Error.
// Source: SwiGLU, arXiv:2002.05202.
void SiluMul(const at::Tensor& gate_up, at::Tensor& out);

}  // namespace tandem
