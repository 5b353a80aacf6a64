#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "common/dtype.h"
#include "common/model_config.h"

namespace tandem {

// What an llm service takes of its device, in bytes.
struct LlmMemory {
  int64_t weights = 0;
  int64_t step = 0;        // what the largest step computes with
  int64_t kv_block = 0;    // 64 tokens
  int64_t kv_context = 0;  // one full context: the least that is worth a start

  int64_t least() const { return weights + step + kv_context; }
};

// `step_tokens` and `step_outputs` are the most tokens and rows of logits of
// one step, `context` the most tokens of one sequence.
LlmMemory LlmMemoryOf(const TextConfig& config, DType dtype, int context,
                      int step_tokens, int step_outputs);

// What the KV cache may take of a card: what is free but for weights, steps and
// one part in 16 of the whole, which is left to the driver, to libtorch's own
// workspaces and to what else the card does. Negative where nothing is left.
int64_t KvPoolBytes(const LlmMemory& memory, int64_t free_bytes,
                    int64_t total_bytes);

}  // namespace tandem
