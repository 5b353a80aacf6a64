#include "kernels/attention_cpu.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"

namespace tandem::cpu {
namespace {

static_assert(kAttentionBlockTokens == kKeyBlock);

// Rows of one task: enough to share the packing of keys, few enough that their
// state stays in the second-level cache.
constexpr int64_t kTaskRows = 384;

// Pointers to [token, head] of a tensor whose tokens and heads may be strided.
template <typename T>
class HeadRows {
 public:
  explicit HeadRows(const at::Tensor& x)
      : data_(Data<T>(x)), token_(x.stride(0)), head_(x.stride(1)) {}
  T* operator()(int64_t token, int64_t head) const {
    return data_ + token * token_ + head * head_;
  }

 private:
  T* data_;
  int64_t token_, head_;
};

// What an AttentionTask points to.
struct TaskRows {
  std::vector<const void*> q;
  std::vector<void*> out;
  std::vector<int64_t> limits;
  std::vector<const void*> keys, values;
};

template <typename T>
void Run(const TaskRows& rows, int64_t num_keys, AttentionTask task) {
  struct AttentionState;
  task.num_rows = static_cast<int64_t>(rows.q.size());
  task.q = rows.q.data();
  task.out = rows.out.data();
  task.limits = rows.limits.data();
  task.num_keys = num_keys;
  task.keys = rows.keys.data();
  task.values = rows.values.data();
  task.scratch = ThreadScratch<AttentionState>(
      AttentionScratchSize(task.num_rows, task.head_dim));
  ActiveKernels().rows<T>().attention(task);
}

template <typename T>
void Bidirectional(const at::Tensor& q, const at::Tensor& k,
                   const at::Tensor& v, float scale, at::Tensor& out) {
  const int64_t tokens = q.size(0), heads = q.size(1);
  const HeadRows<T> q_at(q), k_at(k), v_at(v), out_at(out);
  AttentionTask task;
  task.head_dim = q.size(2);
  task.key_stride = k.stride(0);
  task.value_stride = v.stride(0);
  task.scale = scale;
  const int64_t parts = DivUp(tokens, kTaskRows);
  const int64_t part_rows = DivUp(tokens, parts);
  ParallelItems(heads * parts, [&](int64_t item) {
    const int64_t head = item / parts, first = item % parts * part_rows;
    TaskRows rows;
    for (int64_t t = first; t < std::min(first + part_rows, tokens); ++t) {
      rows.q.push_back(q_at(t, head));
      rows.out.push_back(out_at(t, head));
    }
    rows.limits.assign(rows.q.size(), tokens);
    for (int64_t t = 0; t < tokens; t += kKeyBlock) {
      rows.keys.push_back(k_at(t, head));
      rows.values.push_back(v_at(t, head));
    }
    Run<T>(rows, tokens, task);
  });
}

// Consecutive rows of one sequence, for one KV head.
struct PagedItem {
  int64_t sequence, kv_head, first_row, num_rows;
};

std::vector<PagedItem> CutIntoItems(const PackedSequences& sequences,
                                    int64_t kv_heads, int64_t group) {
  const int32_t* first_row = sequences.first_row.data_ptr<int32_t>();
  const int64_t most = std::max<int64_t>(1, kTaskRows / group);
  std::vector<PagedItem> items;
  for (int64_t s = 0; s < sequences.num_cached.numel(); ++s) {
    for (int64_t head = 0; head < kv_heads; ++head) {
      for (int64_t row = first_row[s]; row < first_row[s + 1]; row += most) {
        const int64_t left = first_row[s + 1] - row;
        items.push_back({s, head, row, std::min(most, left)});
      }
    }
  }
  return items;
}

template <typename T>
void Paged(const at::Tensor& q, const at::Tensor& key_cache,
           const at::Tensor& value_cache, const PackedSequences& sequences,
           float scale, at::Tensor& out) {
  const int64_t kv_heads = key_cache.size(2), group = q.size(1) / kv_heads;
  const HeadRows<T> q_at(q), out_at(out);
  const int32_t* first_row = sequences.first_row.data_ptr<int32_t>();
  const int32_t* num_cached = sequences.num_cached.data_ptr<int32_t>();
  const int32_t* tables = sequences.block_table.data_ptr<int32_t>();
  const int64_t table_size = sequences.block_table.size(1);
  AttentionTask task;
  task.head_dim = q.size(2);
  task.key_stride = key_cache.stride(1);
  task.value_stride = value_cache.stride(1);
  task.scale = scale;
  const std::vector<PagedItem> items = CutIntoItems(sequences, kv_heads, group);
  ParallelItems(static_cast<int64_t>(items.size()), [&](int64_t i) {
    const PagedItem& item = items[i];
    TaskRows rows;
    // The position behind a row's token: how many keys it sees.
    const int64_t offset =
        num_cached[item.sequence] - first_row[item.sequence] + 1;
    const int64_t end = item.first_row + item.num_rows;
    for (int64_t row = item.first_row; row < end; ++row) {
      for (int64_t h = 0; h < group; ++h) {
        rows.q.push_back(q_at(row, item.kv_head * group + h));
        rows.out.push_back(out_at(row, item.kv_head * group + h));
        rows.limits.push_back(row + offset);
      }
    }
    const int64_t num_keys = end - 1 + offset;
    const int32_t* table = tables + item.sequence * table_size;
    for (int64_t b = 0; b < DivUp(num_keys, kKeyBlock); ++b) {
      rows.keys.push_back(Data<T>(key_cache) + table[b] * key_cache.stride(0) +
                          item.kv_head * key_cache.stride(2));
      rows.values.push_back(Data<T>(value_cache) +
                            table[b] * value_cache.stride(0) +
                            item.kv_head * value_cache.stride(2));
    }
    Run<T>(rows, num_keys, task);
  });
}

template <typename T>
void Store(const at::Tensor& x, const int64_t* slots, at::Tensor& cache) {
  const HeadRows<T> from(x);
  const size_t bytes = static_cast<size_t>(x.size(2)) * sizeof(T);
  for (int64_t t = 0; t < x.size(0); ++t) {
    T* to = Data<T>(cache) + slots[t] / kKeyBlock * cache.stride(0) +
            slots[t] % kKeyBlock * cache.stride(1);
    for (int64_t h = 0; h < x.size(1); ++h) {
      std::memcpy(to + h * cache.stride(2), from(t, h), bytes);
    }
  }
}

}  // namespace

int64_t AttentionScratchSize(int64_t num_rows, int64_t head_dim) {
  const int64_t dim = DivUp(head_dim, kPanelColumns) * kPanelColumns;
  return 2 * num_rows * dim + 2 * kKeyBlock * dim + kTileRows * kKeyBlock +
         2 * num_rows;
}

void BidirectionalAttention(const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, float scale, at::Tensor& out) {
  if (q.size(0) == 0) return;
  ForDType(q.scalar_type(), [&](auto type) {
    Bidirectional<decltype(type)>(q, k, v, scale, out);
  });
}

void WriteKv(const at::Tensor& k, const at::Tensor& v, const at::Tensor& slots,
             at::Tensor& key_cache, at::Tensor& value_cache) {
  ForDType(k.scalar_type(), [&](auto type) {
    using T = decltype(type);
    Store<T>(k, slots.data_ptr<int64_t>(), key_cache);
    Store<T>(v, slots.data_ptr<int64_t>(), value_cache);
  });
}

void PagedAttention(const at::Tensor& q, const at::Tensor& key_cache,
                    const at::Tensor& value_cache,
                    const PackedSequences& sequences, float scale,
                    at::Tensor& out) {
  ForDType(q.scalar_type(), [&](auto type) {
    Paged<decltype(type)>(q, key_cache, value_cache, sequences, scale, out);
  });
}

}  // namespace tandem::cpu
