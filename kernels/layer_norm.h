#pragma once

#include <ATen/core/Tensor.h>

namespace tandem {

// out[t, i] = (x[t, i] - mean_t) / sqrt(variance_t + epsilon) * weight[i] +
// bias[i]
//   x             [num_tokens, hidden_size], float32 or bfloat16
//   weight, bias  [hidden_size], same dtype and device as x
//   out           like x; may be x itself
// Rows of x and out may be strided; their last dimension is dense.
// Variance is that of the whole row (divided by hidden_size). Everything in
// float32, rounded once. A row's result depends on that row alone. Queued on
// x's current stream. A breach of the shapes throws c10::Error. Source:
// arXiv:1607.06450.
void LayerNorm(const at::Tensor& x, const at::Tensor& weight,
               const at::Tensor& bias, float epsilon, at::Tensor& out);

}  // namespace tandem
