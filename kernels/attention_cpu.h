#pragma once

#include "kernels/attention.h"

namespace tandem::cpu {

void BidirectionalAttention(const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, float scale, at::Tensor& out);
void WriteKv(const at::Tensor& k, const at::Tensor& v, const at::Tensor& slots,
             at::Tensor& key_cache, at::Tensor& value_cache);
void PagedAttention(const at::Tensor& q, const at::Tensor& key_cache,
                    const at::Tensor& value_cache,
                    const PackedSequences& sequences, float scale,
                    at::Tensor& out);

}  // namespace tandem::cpu
