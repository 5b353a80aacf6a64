#pragma once

#include <cstdint>
#include <vector>

#include "llm_service/kv_block_pool.h"

namespace tandem {

// One token stream as the scheduler sees it: numbers, no tensor and no text.
// The engine's thread owns it.
struct Sequence {
  uint64_t id = 0;

  // Prompt, then generated tokens. All but the last generated one enter the KV
  // cache.
  std::vector<int> token_ids;
  int num_prompt = 0;
  // Tokens to generate at most; num_prompt + max_tokens fit the context.
  int max_tokens = 0;

  // Prompt tokens before this one can be computed: text, and image tokens whose
  // tiles have come. Always at the first token of a tile, or num_prompt.
  int ready_frontier = 0;
  // The reader is behind: no new tokens for now.
  bool paused = false;

  // Tokens in the KV cache.
  int num_cached = 0;
  // Held while running.
  KvBlockPool::Lease kv;
  int sampling_slot = -1;

  int num_generated() const {
    return static_cast<int>(token_ids.size()) - num_prompt;
  }
  bool running() const { return sampling_slot >= 0; }
  // The whole prompt is in the cache.
  bool decoding() const { return num_cached >= num_prompt; }
  // KV slots that the sequence can ever need: the last token is never read.
  int max_cached() const { return num_prompt + max_tokens - 1; }
};

}  // namespace tandem
