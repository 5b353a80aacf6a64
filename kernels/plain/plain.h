#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/attention.h"
#include "kernels/linear.h"

// Every operation by libtorch's own, on any device that libtorch knows: what
// cards compute with where no kernel of ours is faster, and what those are
// compared with. The contracts are those of the headers in kernels/, which have
// checked the shapes; but a sum's order is libtorch's, so the last bits of a
// row may depend on the rows beside it.
namespace tandem::plain {

void RmsNorm(const at::Tensor& x, const at::Tensor& weight, float epsilon,
             at::Tensor& out);
void LayerNorm(const at::Tensor& x, const at::Tensor& weight,
               const at::Tensor& bias, float epsilon, at::Tensor& out);
void Gelu(const at::Tensor& x, at::Tensor& out);
void SiluMul(const at::Tensor& gate_up, at::Tensor& out);
void AddResidual(const at::Tensor& x, at::Tensor& hidden);
void AddScaledResidual(const at::Tensor& x, const at::Tensor& scale,
                       at::Tensor& hidden);
void RopeCosSin(const at::Tensor& positions, double theta, at::Tensor& cos,
                at::Tensor& sin);
void ApplyRope(const at::Tensor& cos, const at::Tensor& sin, at::Tensor& x);
void EmbeddingLookup(const at::Tensor& ids, const at::Tensor& table,
                     at::Tensor& out);
void ExtractPatches(const at::Tensor& image, int64_t patch, at::Tensor& out);
void PixelShuffle(const at::Tensor& x, int64_t side, at::Tensor& out);
void Linear(const at::Tensor& x, const LinearWeight& weight, at::Tensor& out);
void BidirectionalAttention(const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, float scale, at::Tensor& out);
void WriteKv(const at::Tensor& k, const at::Tensor& v, const at::Tensor& slots,
             at::Tensor& key_cache, at::Tensor& value_cache);
void PagedAttention(const at::Tensor& q, const at::Tensor& key_cache,
                    const at::Tensor& value_cache,
                    const PackedSequences& sequences, float scale,
                    at::Tensor& out);

}  // namespace tandem::plain
