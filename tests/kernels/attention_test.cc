#include "kernels/attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reference/reference.h"
#include "tests/kernels/kernel_case.h"

namespace tandem {
namespace {

at::Tensor Ints(const std::vector<int32_t>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())},
                                at::TensorOptions().dtype(at::kInt));
  std::copy(values.begin(), values.end(), tensor.data_ptr<int32_t>());
  return tensor;
}

class AttentionTest : public KernelTest {
 protected:
  // Half a unit of bfloat16 for a mean of values of about 1.
  float tolerance() const { return GetParam().tolerance(); }

  // A cache of NaN: what no token was written to must never be read.
  struct Cache {
    at::Tensor keys, values;
  };
  Cache MakeCache(int64_t blocks, int64_t kv_heads, int64_t head_dim) const {
    const std::vector<int64_t> sizes = {blocks, kAttentionBlockTokens, kv_heads,
                                        head_dim};
    return {Empty(sizes), Empty(sizes)};
  }
};

// A sequence of a test: all its rows, and where its blocks are.
struct Sequence {
  at::Tensor q, k, v;  // [tokens, heads, head_dim]
  std::vector<int32_t> blocks;
};

// Runs rows [from[i], to[i]) of each sequence as one packed step.
at::Tensor Step(const std::vector<Sequence>& sequences,
                const std::vector<int64_t>& from,
                const std::vector<int64_t>& to, float scale, at::Tensor& keys,
                at::Tensor& values, bool reference = false) {
  std::vector<at::Tensor> q, k, v;
  std::vector<int32_t> first_row = {0}, num_cached;
  std::vector<int64_t> slots;
  at::Tensor tables = at::zeros({static_cast<int64_t>(sequences.size()), 16},
                                at::TensorOptions().dtype(at::kInt));
  for (size_t s = 0; s < sequences.size(); ++s) {
    const Sequence& sequence = sequences[s];
    q.push_back(sequence.q.slice(0, from[s], to[s]));
    k.push_back(sequence.k.slice(0, from[s], to[s]));
    v.push_back(sequence.v.slice(0, from[s], to[s]));
    num_cached.push_back(static_cast<int32_t>(from[s]));
    first_row.push_back(first_row.back() +
                        static_cast<int32_t>(to[s] - from[s]));
    for (int64_t p = from[s]; p < to[s]; ++p) {
      slots.push_back(sequence.blocks[p / 64] * 64 + p % 64);
    }
    for (size_t b = 0; b < sequence.blocks.size(); ++b) {
      tables[s][b] = sequence.blocks[b];
    }
  }
  at::Tensor slot_tensor = at::empty({static_cast<int64_t>(slots.size())},
                                     at::TensorOptions().dtype(at::kLong));
  std::copy(slots.begin(), slots.end(), slot_tensor.data_ptr<int64_t>());
  WriteKv(at::cat(k), at::cat(v), slot_tensor, keys, values);
  PackedSequences packed;
  packed.first_row = packed.host_first_row = Ints(first_row);
  packed.num_cached = packed.host_num_cached = Ints(num_cached);
  packed.block_table = tables;
  const at::Tensor all_q = at::cat(q);
  if (reference) {
    return reference::PagedAttention(all_q, keys, values, packed, scale);
  }
  at::Tensor out = at::empty_like(all_q).fill_(NAN);
  PagedAttention(all_q, keys, values, packed, scale, out);
  return out;
}

TEST_P(AttentionTest, BidirectionalEqualsTheReference) {
  struct Shape {
    int64_t tokens, heads, head_dim;
  };
  for (const auto& [tokens, heads, head_dim] :
       {Shape{1, 1, 1}, Shape{64, 2, 16}, Shape{65, 3, 64}, Shape{130, 1, 80},
        Shape{401, 2, 24}, Shape{70, 1, 300}}) {
    const at::Tensor q = Random({tokens, heads, head_dim}, 1);
    const at::Tensor k = Random({tokens, heads, head_dim}, 2);
    const at::Tensor v = Random({tokens, heads, head_dim}, 3);
    at::Tensor out = Empty({tokens, heads, head_dim});
    const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
    BidirectionalAttention(q, k, v, scale, out);
    ExpectClose(out, reference::BidirectionalAttention(q, k, v, scale),
                tolerance());
  }
}

TEST_P(AttentionTest, BidirectionalTakesSlicesOfOneTensor) {
  const at::Tensor qkv = Random({90, 3, 2, 32}, 1);
  const at::Tensor q = qkv.select(1, 0), k = qkv.select(1, 1),
                   v = qkv.select(1, 2);
  at::Tensor got = Empty({90, 2, 32}), want = Empty({90, 2, 32});
  BidirectionalAttention(q, k, v, 0.2f, got);
  BidirectionalAttention(q.contiguous(), k.contiguous(), v.contiguous(), 0.2f,
                         want);
  ExpectEqual(got, want);
}

TEST_P(AttentionTest, LargeScoresDoNotOverflow) {
  const at::Tensor q = Random({100, 1, 16}, 1, 30);
  const at::Tensor k = Random({100, 1, 16}, 2, 30), v = Random({100, 1, 16}, 3);
  at::Tensor out = Empty({100, 1, 16});
  BidirectionalAttention(q, k, v, 1.0f, out);
  // Scores of thousands: float32 has 1e-4 of them left, so weights that are
  // almost equal may differ; the mean stays within the values.
  EXPECT_TRUE(out.isfinite().all().item<bool>());
  EXPECT_LE(out.abs().max().item<float>(), v.abs().max().item<float>());
}

TEST_P(AttentionTest, PagedEqualsTheReferenceForMixedSteps) {
  struct Shape {
    int64_t heads, kv_heads, head_dim;
  };
  for (const auto& [heads, kv_heads, head_dim] :
       {Shape{6, 2, 16}, Shape{14, 2, 64}, Shape{4, 4, 16}, Shape{3, 1, 20}}) {
    std::vector<Sequence> sequences;
    const std::vector<std::vector<int32_t>> blocks = {{3, 1}, {2, 7, 5}, {4}};
    const std::vector<int64_t> tokens = {100, 150, 9};
    sequences.reserve(blocks.size());
    for (size_t s = 0; s < blocks.size(); ++s) {
      sequences.push_back({Random({tokens[s], heads, head_dim}, 10 * s),
                           Random({tokens[s], kv_heads, head_dim}, 10 * s + 1),
                           Random({tokens[s], kv_heads, head_dim}, 10 * s + 2),
                           blocks[s]});
    }
    Cache cache = MakeCache(8, kv_heads, head_dim);
    const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
    // A whole prompt, a chunk, nothing; then a decode row, a chunk, a prompt.
    Step(sequences, {0, 0, 0}, {99, 70, 0}, scale, cache.keys, cache.values);
    const at::Tensor got = Step(sequences, {99, 70, 0}, {100, 150, 9}, scale,
                                cache.keys, cache.values);
    const at::Tensor want = Step(sequences, {99, 70, 0}, {100, 150, 9}, scale,
                                 cache.keys, cache.values, /*reference=*/true);
    ExpectClose(got, want, tolerance());
  }
}

TEST_P(AttentionTest, ChunksAndNeighboursDoNotChangeARow) {
  const int64_t heads = 6, kv_heads = 2, head_dim = 32, tokens = 200;
  const auto sequence = [&](uint64_t seed, std::vector<int32_t> blocks) {
    return Sequence{Random({tokens, heads, head_dim}, seed),
                    Random({tokens, kv_heads, head_dim}, seed + 1),
                    Random({tokens, kv_heads, head_dim}, seed + 2),
                    std::move(blocks)};
  };
  const Sequence one = sequence(1, {1, 2, 3, 4});
  Cache alone = MakeCache(9, kv_heads, head_dim);
  const at::Tensor whole =
      Step({one}, {0}, {tokens}, 0.2f, alone.keys, alone.values);

  for (const int64_t chunk : {1, 7, 64, 130}) {
    Cache cache = MakeCache(9, kv_heads, head_dim);
    const Sequence other = sequence(5, {8, 7, 6, 5});
    std::vector<at::Tensor> parts;
    for (int64_t first = 0; first < tokens; first += chunk) {
      const int64_t last = std::min(first + chunk, tokens);
      const at::Tensor out = Step({other, one}, {first, first}, {last, last},
                                  0.2f, cache.keys, cache.values);
      parts.push_back(out.slice(0, last - first));
    }
    ExpectEqual(at::cat(parts), whole);
  }
}

TEST_P(AttentionTest, NumberOfThreadsDoesNotMatter) {
  const at::Tensor q = Random({500, 2, 24}, 1), k = Random({500, 2, 24}, 2),
                   v = Random({500, 2, 24}, 3);
  ExpectSameOnAnyNumberOfThreads([&] {
    at::Tensor out = Empty({500, 2, 24});
    BidirectionalAttention(q, k, v, 0.2f, out);
    return out;
  });
  // A prompt of more rows than one task takes, and a decode row.
  const std::vector<Sequence> sequences = {{Random({200, 6, 32}, 4),
                                            Random({200, 2, 32}, 5),
                                            Random({200, 2, 32}, 6),
                                            {1, 2, 3, 4}},
                                           {Random({100, 6, 32}, 7),
                                            Random({100, 2, 32}, 8),
                                            Random({100, 2, 32}, 9),
                                            {5, 6}}};
  Cache cache = MakeCache(7, 2, 32);
  Step(sequences, {0, 0}, {0, 99}, 0.2f, cache.keys, cache.values);
  ExpectSameOnAnyNumberOfThreads([&] {
    return Step(sequences, {0, 99}, {200, 100}, 0.2f, cache.keys, cache.values);
  });
}

TEST_P(AttentionTest, PagedEqualsBidirectionalForTheLastToken) {
  const Sequence one{Random({77, 2, 32}, 1),
                     Random({77, 2, 32}, 2),
                     Random({77, 2, 32}, 3),
                     {2, 1}};
  Cache cache = MakeCache(3, 2, 32);
  const at::Tensor paged =
      Step({one}, {0}, {77}, 0.3f, cache.keys, cache.values);
  at::Tensor all = Empty({77, 2, 32});
  BidirectionalAttention(one.q, one.k, one.v, 0.3f, all);
  ExpectEqual(paged[76], all[76]);
}

TEST_P(AttentionTest, CachesMayBeStrided) {
  const Sequence one{Random({70, 2, 16}, 1),
                     Random({70, 2, 16}, 2),
                     Random({70, 2, 16}, 3),
                     {1, 2}};
  Cache dense = MakeCache(3, 2, 16);
  const at::Tensor want =
      Step({one}, {0}, {70}, 0.3f, dense.keys, dense.values);
  at::Tensor both = Empty({3, 64, 2, 2, 16});  // keys beside values
  at::Tensor keys = both.select(2, 0), values = both.select(2, 1);
  ExpectEqual(Step({one}, {0}, {70}, 0.3f, keys, values), want);
}

TEST_P(AttentionTest, ShapesThatDoNotFitThrow) {
  Cache cache = MakeCache(2, 2, 16);
  const at::Tensor x = Random({1, 2, 16}, 1), wide = Random({1, 2, 32}, 2);
  const at::Tensor odd = Random({1, 3, 16}, 1);
  const at::Tensor slots = at::zeros({1}, at::TensorOptions().dtype(at::kLong));
  at::Tensor out = Empty({1, 3, 16});
  EXPECT_THROW(WriteKv(wide, wide, slots, cache.keys, cache.values),
               c10::Error);
  EXPECT_THROW(WriteKv(odd, odd, slots, cache.keys, cache.values), c10::Error);
  EXPECT_THROW(BidirectionalAttention(x, x, wide, 1, out), c10::Error);
  PackedSequences packed;
  packed.first_row = packed.host_first_row = Ints({0, 1});
  packed.num_cached = packed.host_num_cached = Ints({0});
  packed.block_table = at::zeros({1, 1}, slots.options().dtype(at::kInt));
  EXPECT_THROW(PagedAttention(odd, cache.keys, cache.values, packed, 1, out),
               c10::Error);
}

INSTANTIATE_TEST_SUITE_P(Cpu, AttentionTest,
                         testing::ValuesIn(AllKernelCases()),
                         [](const auto& info) { return info.param.name(); });

}  // namespace
}  // namespace tandem
