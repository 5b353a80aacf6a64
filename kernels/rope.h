#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace tandem {

// theta^(-2i / head_dim) for i < head_dim / 2, in float32 step by step.
std::vector<float> RopeFrequencies(double theta, int64_t head_dim);

// Fills the angles' cosines and sines for `positions`:
//   angle[t, i] = positions[t] * theta^(-2i / head_dim),  i < head_dim / 2
//   positions  [num_tokens], int32, each >= 0
//   cos, sin   [num_tokens, head_dim / 2], float32 or bfloat16, dense
// Frequencies, angles, cosine and sine in float32, rounded to the dtype last.
// head_dim is even: twice the width of `cos`. One call serves all layers of a
// step. Queued on the current stream. A breach of the shapes throws c10::Error.
void RopeCosSin(const at::Tensor& positions, double theta, at::Tensor& cos,
                at::Tensor& sin);

// Rotates x in place, pairing channel i with i + head_dim / 2:
//   x[i]     <- x[i] * cos[i] - x[i + d/2] * sin[i]
//   x[i+d/2] <- x[i+d/2] * cos[i] + x[i] * sin[i]
//   x         [num_tokens, num_heads, head_dim], float32 or bfloat16; tokens
//   and
//             heads may be strided, the last dimension is dense
//   cos, sin  [num_tokens, head_dim / 2], same dtype and device
// Products are rounded to the dtype, then the sum, as the model's reference
// does. Queued on x's current stream. A breach of the shapes throws c10::Error.
// Source: RoFormer, arXiv:2104.09864, in the half-split form of GPT-NeoX.
void ApplyRope(const at::Tensor& cos, const at::Tensor& sin, at::Tensor& x);

}  // namespace tandem
