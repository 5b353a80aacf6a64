#pragma once

#include <ATen/core/Tensor.h>

namespace tandem {

// Tokens of one KV block, and of one step of the softmax.
inline constexpr int kAttentionBlockTokens = 64;

// out[t, h] = sum_s softmax_s(scale * q[t, h] . k[s, h]) * v[s, h], over all s
//   q, k, v  [num_tokens, num_heads, head_dim], float32 or bfloat16, same
//   device out      like q; must not overlap the others
// Tokens and heads may be strided (slices of one qkv tensor); the last
// dimension is dense. Scores, softmax and sums in float32, rounded once. Keys
// are taken in blocks of 64 in order, so a row's result depends on that row of
// q and on k and v alone. Queued on q's current stream. A breach of the shapes
// throws c10::Error. Source: arXiv:1706.03762 eq. 1; running softmax as in
// arXiv:2205.14135.
void BidirectionalAttention(const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, float scale, at::Tensor& out);

// Sequences that share one step, packed one after the other. int32 tensors on
// the device of the step.
struct PackedSequences {
  // [num_sequences + 1]: sequence s owns rows first_row[s] .. first_row[s+1]
  // - 1.
  at::Tensor first_row;
  // [num_sequences]: tokens in the cache before this step's.
  at::Tensor num_cached;
  // The two above on the host, where what to launch is decided; on a CPU the
  // same tensors.
  at::Tensor host_first_row;
  at::Tensor host_num_cached;
  // [num_sequences, blocks]: KV blocks in order; what lies behind a sequence's
  // last is not read.
  at::Tensor block_table;
};

// Stores this step's keys and values: token t goes to slot slots[t].
//   k, v                     [num_tokens, num_kv_heads, head_dim]
//   slots                    [num_tokens], int64: block * 64 + place in it
//   key_cache, value_cache   [num_blocks, 64, num_kv_heads, head_dim], same
//   dtype
// Tokens and heads of k and v may be strided, blocks, places and heads of the
// caches too; the last dimension is dense. Queued on k's current stream. A
// breach of the shapes throws c10::Error.
void WriteKv(const at::Tensor& k, const at::Tensor& v, const at::Tensor& slots,
             at::Tensor& key_cache, at::Tensor& value_cache);

// Causal attention over paged keys and values, for prefill chunks and single
// tokens alike. The token in row r of sequence s is at position num_cached[s] +
// r - first_row[s] and sees the keys up to itself, which WriteKv has stored.
//   q                        [num_tokens, num_heads, head_dim]
//   key_cache, value_cache   as in WriteKv; num_heads is a multiple of
//                            num_kv_heads, query heads of one group are
//                            adjacent
//   out                      like q; must not overlap q
// Tokens and heads of q and out may be strided; the last dimension is dense.
// Any head_dim and group size. Scores, softmax and sums in float32, rounded
// once. A row's result depends on its sequence alone, and not on how its prompt
// was cut into chunks: keys are taken in blocks of 64 from position 0. Slots
// that hold no token of the sequence are never used, whatever they contain.
// Queued on q's current stream. A breach of the shapes throws c10::Error.
// Source: arXiv:2205.14135, arXiv:2309.06180, groups as in arXiv:2305.13245.
void PagedAttention(const at::Tensor& q, const at::Tensor& key_cache,
                    const at::Tensor& value_cache,
                    const PackedSequences& sequences, float scale,
                    at::Tensor& out);

}  // namespace tandem
