#pragma once

#include <ATen/core/Tensor.h>

namespace tandem {

// out[t, i] = weight[i] * round(x[t, i] / sqrt(mean_i(x[t, i]^2) + epsilon))
//   x       [num_tokens, hidden_size], float32 or bfloat16
//   weight  [hidden_size], same dtype and device as x
//   out     like x; may be x itself
// Rows of x and out may be strided; their last dimension is dense.
// The normalised value is computed in float32 and rounded to x's dtype, then
// the product with the weight is rounded again, as the model's reference does.
// A row's result depends on that row alone. Queued on x's current stream. A
// breach of the shapes throws c10::Error.
// Source: arXiv:1910.07467 eq. 4, with epsilon as in LLaMA.
void RmsNorm(const at::Tensor& x, const at::Tensor& weight, float epsilon,
             at::Tensor& out);

}  // namespace tandem
