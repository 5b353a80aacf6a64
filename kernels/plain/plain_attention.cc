#include <ATen/TensorIndexing.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <limits>

#include "kernels/plain/plain.h"

// libtorch's fused attention takes a scale from 2.1 on.
#define TANDEM_FUSED_ATTENTION \
  (TORCH_VERSION_MAJOR * 100 + TORCH_VERSION_MINOR >= 201)
#if TANDEM_FUSED_ATTENTION
#include <ATen/ops/scaled_dot_product_attention.h>
#endif

namespace tandem::plain {
namespace {

// softmax(scale * q k^T) v for each head.
//   q           [heads, rows, head_dim]
//   k, v        [heads, keys, head_dim]
//   visible     [rows, keys] bool, or undefined: every row sees every key
at::Tensor Attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const at::Tensor& visible, float scale) {
#if TANDEM_FUSED_ATTENTION
  const at::Tensor q4 = q.unsqueeze(0), k4 = k.unsqueeze(0),
                   v4 = v.unsqueeze(0);
  const at::Tensor out =
      visible.defined()
          ? at::scaled_dot_product_attention(q4, k4, v4, visible, /*dropout_p=*/0.0,
                                             /*is_causal=*/false, scale)
          : at::scaled_dot_product_attention(q4, k4, v4, {}, /*dropout_p=*/0.0,
                                             /*is_causal=*/false, scale);
  return out.squeeze(0);
#else
  at::Tensor scores =
      at::matmul(q.to(at::kFloat), k.to(at::kFloat).transpose(1, 2))
          .mul_(scale);
  if (visible.defined()) {
    scores.masked_fill_(visible.logical_not(),
                        -std::numeric_limits<float>::infinity());
  }
  return at::matmul(at::softmax(scores, /*dim=*/-1), v.to(at::kFloat))
      .to(q.scalar_type());
#endif
}

// Keys or values of one sequence, [kv_heads, keys, head_dim].
at::Tensor Gather(const at::Tensor& cache, const at::Tensor& blocks,
                  int64_t num_keys) {
  return at::index_select(cache, /*dim=*/0, blocks)
      .flatten(0, 1)
      .narrow(0, 0, num_keys)
      .transpose(0, 1);
}

// Which keys each row of one KV head sees; its rows are the new tokens of each
// query head of the group, one head after the other.
at::Tensor CausalMask(int64_t num_cached, int64_t num_new, int64_t group,
                      at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kInt).device(device);
  const at::Tensor key = at::arange(num_cached + num_new, options);
  const at::Tensor row =
      at::arange(num_cached, num_cached + num_new, options).repeat({group});
  return key.unsqueeze(0).le(row.unsqueeze(1));
}

void Store(const at::Tensor& x, const at::Tensor& slots, at::Tensor& cache) {
  // One dimension of slots: the caches of a model are dense.
  if (cache.stride(0) == cache.size(1) * cache.stride(1)) {
    cache
        .as_strided({cache.size(0) * cache.size(1), cache.size(2), cache.size(3)},
                    {cache.stride(1), cache.stride(2), 1},
                    cache.storage_offset())
        .index_copy_(/*dim=*/0, slots, x);
    return;
  }
  cache.index_put_({slots.div(kAttentionBlockTokens, "floor"),
                    slots.remainder(kAttentionBlockTokens)},
                   x);
}

}  // namespace

void BidirectionalAttention(const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, float scale, at::Tensor& out) {
  if (q.size(0) == 0) return;
  out.copy_(Attend(q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1),
                   /*visible=*/{}, scale)
                .transpose(0, 1));
}

void WriteKv(const at::Tensor& k, const at::Tensor& v, const at::Tensor& slots,
             at::Tensor& key_cache, at::Tensor& value_cache) {
  Store(k, slots, key_cache);
  Store(v, slots, value_cache);
}

void PagedAttention(const at::Tensor& q, const at::Tensor& key_cache,
                    const at::Tensor& value_cache,
                    const PackedSequences& sequences, float scale,
                    at::Tensor& out) {
  const int64_t kv_heads = key_cache.size(2), group = q.size(1) / kv_heads;
  const int64_t head_dim = q.size(2);
  const auto* first_row = sequences.host_first_row.data_ptr<int32_t>();
  const auto* num_cached = sequences.host_num_cached.data_ptr<int32_t>();
  for (int64_t s = 0; s < sequences.num_cached.numel(); ++s) {
    const int64_t num_new = first_row[s + 1] - first_row[s];
    const int64_t num_keys = num_cached[s] + num_new;
    if (num_new == 0) continue;
    const int64_t num_blocks =
        (num_keys + kAttentionBlockTokens - 1) / kAttentionBlockTokens;
    const at::Tensor blocks =
        sequences.block_table.select(0, s).narrow(0, 0, num_blocks);
    // The query heads of one KV head as rows of it: keys are never repeated.
    const at::Tensor rows = q.narrow(0, first_row[s], num_new)
                                .view({num_new, kv_heads, group, head_dim})
                                .permute({1, 2, 0, 3})
                                .reshape({kv_heads, group * num_new, head_dim});
    at::Tensor visible;
    if (num_new > 1) {
      visible = CausalMask(num_cached[s], num_new, group, q.device());
    }
    const at::Tensor attended =
        Attend(rows, Gather(key_cache, blocks, num_keys),
               Gather(value_cache, blocks, num_keys), visible, scale);
    out.narrow(0, first_row[s], num_new)
        .view({num_new, kv_heads, group, head_dim})
        .copy_(attended.view({kv_heads, group, num_new, head_dim})
                   .permute({2, 0, 1, 3}));
  }
}

}  // namespace tandem::plain
