#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

namespace tandem {

// How many KV blocks to make.
struct KvPoolWish {
  int blocks = 0;          // 0: as many as seem good
  int context_blocks = 0;  // of one full context
  int max_running = 1;     // sequences that run at once
  int64_t block_bytes = 0;
  int64_t pool_bytes = 0;  // that the pool may take of the device
};

// A full context for every sequence that can run at once, since a sequence
// reserves all that it can ever need; or what fits, but one context at least.
// INVALID_ARGUMENT where `blocks` is set and holds less than a context.
absl::StatusOr<int> ChooseKvBlocks(const KvPoolWish& wish);

}  // namespace tandem
