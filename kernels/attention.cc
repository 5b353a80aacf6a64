#include "kernels/attention.h"

#include <c10/util/Exception.h>

#include "kernels/attention_cpu.h"
#include "kernels/checks.h"
#include "kernels/kernel_set.h"
#include "kernels/plain/plain.h"

namespace tandem {
namespace {

void CheckCache(const char* op, const at::Tensor& x, const at::Tensor& keys,
                const at::Tensor& values) {
  CheckTensor(op, "key_cache", keys, 4);
  CheckSameShape(op, "value_cache", values, keys);
  TORCH_CHECK(keys.size(1) == kAttentionBlockTokens, op, ": a KV block holds ",
              keys.size(1), " tokens, not ", kAttentionBlockTokens);
  TORCH_CHECK(keys.size(3) == x.size(2), op, ": head_dim is ", x.size(2),
              ", the cache's ", keys.size(3));
  TORCH_CHECK(
      keys.scalar_type() == x.scalar_type() && keys.device() == x.device(), op,
      ": the cache is ", keys.scalar_type(), " on ", keys.device(), ", not ",
      x.scalar_type(), " on ", x.device());
}

void CheckIndex(const char* op, const char* name, const at::Tensor& tensor,
                at::ScalarType dtype, int64_t dims, const at::Tensor& x) {
  TORCH_CHECK(tensor.scalar_type() == dtype && tensor.dim() == dims &&
                  tensor.is_contiguous() && tensor.device() == x.device(),
              op, ": ", name, " is not a dense ", dtype, " tensor of ", dims,
              " dimensions on ", x.device());
}

void CheckOnHost(const char* name, const at::Tensor& host,
                 const at::Tensor& other) {
  TORCH_CHECK(host.defined() && host.device().is_cpu() &&
                  host.scalar_type() == at::kInt && host.is_contiguous() &&
                  host.sizes() == other.sizes(),
              "PagedAttention: ", name, " is not the same on the host");
}

void CheckSequences(const PackedSequences& sequences, const at::Tensor& q) {
  constexpr char kOp[] = "PagedAttention";
  CheckIndex(kOp, "first_row", sequences.first_row, at::kInt, 1, q);
  CheckIndex(kOp, "num_cached", sequences.num_cached, at::kInt, 1, q);
  CheckIndex(kOp, "block_table", sequences.block_table, at::kInt, 2, q);
  CheckOnHost("host_first_row", sequences.host_first_row, sequences.first_row);
  CheckOnHost("host_num_cached", sequences.host_num_cached,
              sequences.num_cached);
  const int64_t count = sequences.num_cached.numel();
  TORCH_CHECK(sequences.first_row.numel() == count + 1 &&
                  sequences.block_table.size(0) == count,
              kOp, ": first_row and block_table are not of ", count,
              " sequences");
}

}  // namespace

void BidirectionalAttention(const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, float scale, at::Tensor& out) {
  constexpr char kOp[] = "BidirectionalAttention";
  CheckTensor(kOp, "q", q, 3);
  CheckSameShape(kOp, "k", k, q);
  CheckSameShape(kOp, "v", v, q);
  CheckSameShape(kOp, "out", out, q);
  switch (KernelSetOf(kOp, q.device())) {
    case KernelSet::kCpu:
      return cpu::BidirectionalAttention(q, k, v, scale, out);
    case KernelSet::kPlain:
      return plain::BidirectionalAttention(q, k, v, scale, out);
  }
}

void WriteKv(const at::Tensor& k, const at::Tensor& v, const at::Tensor& slots,
             at::Tensor& key_cache, at::Tensor& value_cache) {
  constexpr char kOp[] = "WriteKv";
  CheckTensor(kOp, "k", k, 3);
  CheckSameShape(kOp, "v", v, k);
  CheckCache(kOp, k, key_cache, value_cache);
  CheckIndex(kOp, "slots", slots, at::kLong, 1, k);
  TORCH_CHECK(slots.numel() == k.size(0) && key_cache.size(2) == k.size(1), kOp,
              ": k is ", k.sizes(), " for ", slots.numel(), " slots and ",
              key_cache.size(2), " heads");
  switch (KernelSetOf(kOp, k.device())) {
    case KernelSet::kCpu:
      return cpu::WriteKv(k, v, slots, key_cache, value_cache);
    case KernelSet::kPlain:
      return plain::WriteKv(k, v, slots, key_cache, value_cache);
  }
}

void PagedAttention(const at::Tensor& q, const at::Tensor& key_cache,
                    const at::Tensor& value_cache,
                    const PackedSequences& sequences, float scale,
                    at::Tensor& out) {
  constexpr char kOp[] = "PagedAttention";
  CheckTensor(kOp, "q", q, 3);
  CheckSameShape(kOp, "out", out, q);
  CheckCache(kOp, q, key_cache, value_cache);
  TORCH_CHECK(key_cache.size(2) > 0 && q.size(1) % key_cache.size(2) == 0, kOp,
              ": ", q.size(1), " heads over ", key_cache.size(2), " KV heads");
  CheckSequences(sequences, q);
  switch (KernelSetOf(kOp, q.device())) {
    case KernelSet::kCpu:
      return cpu::PagedAttention(q, key_cache, value_cache, sequences, scale,
                                 out);
    case KernelSet::kPlain:
      return plain::PagedAttention(q, key_cache, value_cache, sequences, scale,
                                   out);
  }
}

}  // namespace tandem
