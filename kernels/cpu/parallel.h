#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace tandem::cpu {

// Calls fn(begin, end) for consecutive ranges that cover [0, n), on several
// threads when n > grain. Where the ranges are cut must not change results.
template <typename F>
void ParallelFor(int64_t n, int64_t grain, const F& fn) {
  at::parallel_for(0, n, grain, fn);
}

// Calls fn(i) for every i in [0, n), on several threads. Each takes the next
// item when it is done with one, so a thread that loses its core delays one
// item.
template <typename F>
void ParallelItems(int64_t n, const F& fn) {
  std::atomic<int64_t> next{0};
  const int64_t workers = std::min<int64_t>(n, at::get_num_threads());
  at::parallel_for(0, workers, /*grain_size=*/1, [&](int64_t, int64_t) {
    for (int64_t i = next++; i < n; i = next++) fn(i);
  });
}

// Rows that make a piece of work worth a thread of its own, when a row costs
// about `row_values` simple operations.
inline int64_t RowGrain(int64_t row_values) {
  constexpr int64_t kValues = 16384;
  return row_values >= kValues ? 1
                               : kValues / (row_values > 0 ? row_values : 1);
}

}  // namespace tandem::cpu
