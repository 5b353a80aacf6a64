// Speed of the CPU kernels, each beside what the processor gave at that moment:
// reads of a big array (GB/s) and multiply-adds in registers (GFLOP/s). Shared
// machines change by the minute; only the share of the probe means something.
// On one thread time is processor time, so that other processes do not count.
//
//   kernels_bench [threads]
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/huge_tensor.h"
#include "kernels/cpu/parallel.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/linear.h"
#include "kernels/rms_norm.h"
#include "kernels/silu_mul.h"

namespace tandem {
namespace {

// Wall time; processor time on one thread.
double Now() {
  if (at::get_num_threads() == 1) {
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  }
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Best seconds of a call, over at least `seconds` of calls.
double BestTime(const std::function<void()>& call, double seconds = 0.3) {
  call();
  double best = 1e9, spent = 0;
  for (int i = 0; spent < seconds || i < 3; ++i) {
    const double start = Now();
    call();
    const double took = Now() - start;
    best = std::min(best, took);
    spent += took;
  }
  return best;
}

at::Tensor Filled(const std::vector<int64_t>& sizes, at::ScalarType dtype) {
  at::Tensor x = at::empty(sizes, at::TensorOptions().dtype(at::kFloat));
  uint32_t state = 12345;
  for (int64_t i = 0; i < x.numel(); ++i) {
    state = state * 1664525 + 1013904223;
    x.data_ptr<float>()[i] = static_cast<float>(state >> 8) * 0x1p-23f - 1;
  }
  return x.to(dtype);
}

// GB/s of reading 512 MiB in order, prefetched by 2 KiB.
double ReadProbe() {
  using Words = uint64_t __attribute__((vector_size(16)));
  constexpr int64_t kBytes = int64_t{512} << 20, kLine = 64 / sizeof(Words);
  constexpr int64_t kItemWords = (int64_t{1} << 20) / sizeof(Words);
  static const at::Tensor big = cpu::EmptyHuge(kBytes / 4, at::kFloat).fill_(1);
  static std::atomic<uint64_t> sink = 0;
  const auto* data = static_cast<const Words*>(big.data_ptr());
  const double seconds = BestTime([&] {
    cpu::ParallelItems(kBytes >> 20, [&](int64_t item) {
      Words sum[kLine] = {};
      const Words* p = data + item * kItemWords;
      for (int64_t i = 0; i < kItemWords; i += kLine) {
        __builtin_prefetch(p + i + 2048 / sizeof(Words));
        for (int64_t j = 0; j < kLine; ++j) sum[j] ^= p[i + j];
      }
      const Words all = sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
      sink.fetch_xor(all[0] ^ all[1], std::memory_order_relaxed);
    });
  });
  return kBytes / seconds / 1e9;
}

// GFLOP/s of a tile whose operands stay in the first-level cache: the most that
// any product can reach.
double FmaProbe() {
  const at::Tensor a = Filled({6 * 256}, at::kFloat);
  const at::Tensor w = Filled({64 * 64}, at::kFloat);
  constexpr int kItems = 64, kCalls = 200;
  const double seconds = BestTime([&] {
    cpu::ParallelItems(kItems, [&](int64_t) {
      float c[6 * 64];
      cpu::GemmTile tile;
      tile.rows = 6;
      tile.panels = 4;
      tile.k = 64;
      tile.a = a.data_ptr<float>();
      tile.a_stride = 256;
      tile.w = w.data_ptr<float>();
      tile.w_stride = 64 * 16;
      tile.c = c;
      tile.c_stride = 64;
      for (int i = 0; i < kCalls; ++i) {
        cpu::ActiveKernels().rows<float>().gemm_tile(tile);
      }
    });
  });
  return 2.0 * 6 * 64 * 64 * kCalls * kItems / seconds / 1e9;
}

const char* Name(at::ScalarType dtype) {
  return dtype == at::kFloat ? "float32 " : "bfloat16";
}

void BenchLinear(int64_t tokens, int64_t in, int64_t out,
                 at::ScalarType dtype) {
  // Copies enough that weights come from memory, as they do in a model.
  const double bytes = static_cast<double>(in * out) * c10::elementSize(dtype);
  const int copies =
      tokens > 16 ? 1 : std::max(1, static_cast<int>(3e8 / bytes));
  const at::Tensor w = Filled({out, in}, dtype);
  std::vector<LinearWeight> weights;
  weights.reserve(copies);
  for (int i = 0; i < copies; ++i)
    weights.push_back(LinearWeight::FromTensor(w));
  const at::Tensor x = Filled({tokens, in}, dtype);
  at::Tensor y = at::empty({tokens, out}, x.options());
  const double seconds = BestTime([&] {
                           for (const LinearWeight& weight : weights)
                             Linear(x, weight, y);
                         }) /
                         copies;
  const double flops = 2.0 * static_cast<double>(tokens * in * out);
  std::printf(
      "linear    %s [%4ld, %5ld] -> %5ld  %9.3f ms  %7.1f GFLOP/s  %6.1f "
      "GB/s\n",
      Name(dtype), tokens, in, out, seconds * 1e3, flops / seconds / 1e9,
      bytes / seconds / 1e9);
}

void BenchVisionAttention(int64_t tokens, int64_t heads, int64_t dim,
                          at::ScalarType dtype) {
  const at::Tensor qkv = Filled({tokens, 3, heads, dim}, dtype);
  at::Tensor out = at::empty({tokens, heads, dim}, qkv.options());
  const double seconds = BestTime([&] {
    BidirectionalAttention(qkv.select(1, 0), qkv.select(1, 1), qkv.select(1, 2),
                           1 / std::sqrt(static_cast<float>(dim)), out);
  });
  const double flops = 4.0 * static_cast<double>(tokens * tokens * heads * dim);
  std::printf(
      "attention %s [%4ld, %2ld, %3ld]          %9.3f ms  %7.1f GFLOP/s\n",
      Name(dtype), tokens, heads, dim, seconds * 1e3, flops / seconds / 1e9);
}

void BenchDecodeAttention(int64_t sequences, int64_t context, int64_t heads,
                          int64_t kv_heads, int64_t dim, at::ScalarType dtype) {
  const int64_t blocks = context / 64;
  const at::Tensor keys =
      Filled({sequences * blocks + 1, 64, kv_heads, dim}, dtype);
  const at::Tensor values = keys.clone();
  const at::Tensor q = Filled({sequences, heads, dim}, dtype);
  at::Tensor out = at::empty_like(q);
  const auto ints = at::TensorOptions().dtype(at::kInt);
  PackedSequences packed;
  packed.first_row = packed.host_first_row = at::empty({sequences + 1}, ints);
  packed.num_cached = packed.host_num_cached = at::empty({sequences}, ints);
  packed.block_table = at::empty({sequences, blocks}, ints);
  for (int64_t s = 0; s <= sequences; ++s) packed.first_row[s] = s;
  for (int64_t s = 0; s < sequences; ++s) {
    packed.num_cached[s] = context - 1;
    for (int64_t b = 0; b < blocks; ++b) {
      packed.block_table[s][b] = s * blocks + b + 1;
    }
  }
  const double seconds =
      BestTime([&] { PagedAttention(q, keys, values, packed, 0.1f, out); });
  const double bytes =
      2.0 * static_cast<double>(sequences * context * kv_heads * dim) *
      c10::elementSize(dtype);
  const double flops =
      4.0 * static_cast<double>(sequences * context * heads * dim);
  std::printf(
      "decode    %s %2ld x %4ld, %2ld/%ld heads of %3ld %9.3f ms  %7.1f "
      "GFLOP/s  %6.1f GB/s\n",
      Name(dtype), sequences, context, heads, kv_heads, dim, seconds * 1e3,
      flops / seconds / 1e9, bytes / seconds / 1e9);
}

void BenchRows(const char* name, int64_t rows, int64_t size,
               at::ScalarType dtype,
               const std::function<void(const at::Tensor&, at::Tensor&)>& op) {
  const at::Tensor x = Filled({rows, size}, dtype);
  at::Tensor out = at::empty_like(x);
  const double seconds = BestTime([&] { op(x, out); });
  std::printf("%-9s %s [%4ld, %5ld]           %9.3f ms  %7.2f Gvalues/s\n",
              name, Name(dtype), rows, size, seconds * 1e3,
              static_cast<double>(rows * size) / seconds / 1e9);
}

void PrintProbes() {
  std::printf("probe     %.1f GB/s read, %.1f GFLOP/s\n", ReadProbe(),
              FmaProbe());
}

void Run() {
  std::printf("level %s, %d threads\n", CpuLevelName(ActiveCpuLevel()),
              at::get_num_threads());
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    PrintProbes();
    for (const int64_t tokens : {1, 2, 4, 8, 16, 64, 512, 1025}) {
      BenchLinear(tokens, 1024, 4096, dtype);
    }
    PrintProbes();
    BenchLinear(1, 896, 9728, dtype);
    BenchLinear(1, 4864, 896, dtype);
    BenchLinear(512, 4864, 896, dtype);
    PrintProbes();
    BenchVisionAttention(1025, 16, 64, dtype);
    BenchVisionAttention(1025, 5, 128, dtype);
    BenchDecodeAttention(1, 4096, 14, 2, 64, dtype);
    BenchDecodeAttention(8, 2048, 28, 4, 128, dtype);
    PrintProbes();
    BenchRows("gelu", 1025, 4096, dtype,
              [](const at::Tensor& x, at::Tensor& out) { Gelu(x, out); });
    const at::Tensor weight = Filled({1024}, dtype);
    BenchRows("layernorm", 1025, 1024, dtype,
              [&](const at::Tensor& x, at::Tensor& out) {
                LayerNorm(x, weight, weight, 1e-6f, out);
              });
    BenchRows("rmsnorm", 1025, 1024, dtype,
              [&](const at::Tensor& x, at::Tensor& out) {
                RmsNorm(x, weight, 1e-6f, out);
              });
    BenchRows("silu", 512, 4864, dtype,
              [](const at::Tensor& x, at::Tensor& out) {
                at::Tensor half = out.narrow(1, 0, out.size(1) / 2);
                SiluMul(x, half);
              });
  }
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  if (argc > 1) at::set_num_threads(std::atoi(argv[1]));
  tandem::Run();
  return 0;
}
