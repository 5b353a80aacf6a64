#pragma once

#include <cstdint>

#include "absl/status/statusor.h"

namespace tandem {

// How many KV blocks to make. Blocks cost memory only once they are used.
struct KvPoolWish {
  int blocks = 0;          // 0: as many as seem good
  int context_blocks = 0;  // of one full context
  int64_t block_bytes = 0;
  int64_t memory_bytes = 0;  // of the device
};

// Eight full contexts, or what a quarter of the memory holds, but one context
// at least. INVALID_ARGUMENT where `blocks` is set and holds less than a
// context.
absl::StatusOr<int> ChooseKvBlocks(const KvPoolWish& wish);

// Memory of this machine, in bytes.
int64_t HostMemoryBytes();

}  // namespace tandem
