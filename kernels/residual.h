#pragma once

#include <ATen/core/Tensor.h>

namespace tandem {

// hidden[t, i] += x[t, i], rounded once.
//   x, hidden  [num_tokens, hidden_size], float32 or bfloat16, same device
// Rows may be strided (stride 0 too, for x); the last dimension is dense.
// Queued on x's current stream. A breach of the shapes throws c10::Error.
void AddResidual(const at::Tensor& x, at::Tensor& hidden);

// hidden[t, i] += round(scale[i] * x[t, i]): the layer scale of InternViT, the
// product rounded to the dtype, then the sum.
//   scale  [hidden_size], same dtype and device; the rest as above
// Source: LayerScale, arXiv:2103.17239.
void AddScaledResidual(const at::Tensor& x, const at::Tensor& scale,
                       at::Tensor& hidden);

}  // namespace tandem
