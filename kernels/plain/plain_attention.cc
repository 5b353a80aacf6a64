#include <ATen/TensorIndexing.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
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

// Of the scores in float32 that one call of Attend may hold at once: where
// libtorch has no fused kernel for a mask it keeps them all, and twice.
constexpr int64_t kMaxScoreBytes = int64_t{256} << 20;

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
          ? at::scaled_dot_product_attention(q4, k4, v4, visible,
                                             /*dropout_p=*/0.0,
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

// Which keys each row of one KV head sees; its rows are the new tokens, the
// last ones of `num_keys`, of each query head of the group, one head after the
// other.
at::Tensor CausalMask(int64_t num_keys, int64_t num_new, int64_t group,
                      at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kInt).device(device);
  const at::Tensor key = at::arange(num_keys, options);
  const at::Tensor row =
      at::arange(num_keys - num_new, num_keys, options).repeat({group});
  return key.unsqueeze(0).le(row.unsqueeze(1));
}

// Rows of q, [rows, heads, head_dim], that stand at the end of keys and values.
// The query heads of one KV head become rows of it: keys are never repeated.
void AttendRows(const at::Tensor& q, const at::Tensor& keys,
                const at::Tensor& values, float scale, at::Tensor& out) {
  const int64_t rows = q.size(0), head_dim = q.size(2);
  const int64_t kv_heads = keys.size(0), group = q.size(1) / kv_heads;
  at::Tensor visible;
  if (rows > 1) visible = CausalMask(keys.size(1), rows, group, q.device());
  const at::Tensor attended =
      Attend(q.view({rows, kv_heads, group, head_dim})
                 .permute({1, 2, 0, 3})
                 .reshape({kv_heads, group * rows, head_dim}),
             keys, values, visible, scale);
  out.view({rows, kv_heads, group, head_dim})
      .copy_(attended.view({kv_heads, group, rows, head_dim})
                 .permute({2, 0, 1, 3}));
}

void Store(const at::Tensor& x, const at::Tensor& slots, at::Tensor& cache) {
  // One dimension of slots: the caches of a model are dense.
  if (cache.stride(0) == cache.size(1) * cache.stride(1)) {
    cache
        .as_strided(
            {cache.size(0) * cache.size(1), cache.size(2), cache.size(3)},
            {cache.stride(1), cache.stride(2), 1}, cache.storage_offset())
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
  const auto* first_row = sequences.host_first_row.data_ptr<int32_t>();
  const auto* num_cached = sequences.host_num_cached.data_ptr<int32_t>();
  for (int64_t s = 0; s < sequences.num_cached.numel(); ++s) {
    const int64_t num_new = first_row[s + 1] - first_row[s];
    if (num_new == 0) continue;
    const int64_t num_keys = num_cached[s] + num_new;
    const int64_t num_blocks =
        (num_keys + kAttentionBlockTokens - 1) / kAttentionBlockTokens;
    const at::Tensor blocks =
        sequences.block_table.select(0, s).narrow(0, 0, num_blocks);
    const at::Tensor keys = Gather(key_cache, blocks, num_keys);
    const at::Tensor values = Gather(value_cache, blocks, num_keys);
    const int64_t most =
        std::max<int64_t>(1, kMaxScoreBytes / (4 * q.size(1) * num_keys));
    for (int64_t row = 0; row < num_new; row += most) {
      const int64_t count = std::min(most, num_new - row);
      const int64_t seen = num_cached[s] + row + count;
      at::Tensor rows = out.narrow(0, first_row[s] + row, count);
      AttendRows(q.narrow(0, first_row[s] + row, count),
                 keys.narrow(1, 0, seen), values.narrow(1, 0, seen), scale,
                 rows);
    }
  }
}

}  // namespace tandem::plain
