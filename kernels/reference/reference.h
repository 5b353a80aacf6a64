#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/attention.h"

// Every operation once more, written to be checked by eye: plain loops over
// float32, sums in double, rounded where the contract says that values are
// rounded. Tests and probes compare the fast versions with these. The contracts
// are those of the headers in kernels/; shapes are not checked.
namespace tandem::reference {

// weight [out, in]; bias [out] or undefined.
at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight,
                  const at::Tensor& bias);
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight,
                   float epsilon);
at::Tensor LayerNorm(const at::Tensor& x, const at::Tensor& weight,
                     const at::Tensor& bias, float epsilon);
at::Tensor Gelu(const at::Tensor& x);
at::Tensor SiluMul(const at::Tensor& gate_up);
at::Tensor AddResidual(const at::Tensor& x, const at::Tensor& hidden);
at::Tensor AddScaledResidual(const at::Tensor& x, const at::Tensor& scale,
                             const at::Tensor& hidden);
// The angles of kernels/rope.h, from the positions: [tokens, head_dim / 2].
at::Tensor RopeAngles(const at::Tensor& positions, double theta,
                      int64_t head_dim);
at::Tensor ApplyRope(const at::Tensor& cos, const at::Tensor& sin,
                     const at::Tensor& x);
at::Tensor BidirectionalAttention(const at::Tensor& q, const at::Tensor& k,
                                  const at::Tensor& v, float scale);
at::Tensor PagedAttention(const at::Tensor& q, const at::Tensor& key_cache,
                          const at::Tensor& value_cache,
                          const PackedSequences& sequences, float scale);
// x [side * side, size] -> [side * side / 4, 4 * size], as pixel_shuffle.h.
at::Tensor PixelShuffle(const at::Tensor& x, int64_t side);
// image [channels, height, width] -> [patches, channels * patch * patch].
at::Tensor ExtractPatches(const at::Tensor& image, int64_t patch);

}  // namespace tandem::reference
