#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "common/dtype.h"

namespace tandem {

// Tokens of one KV block, everywhere.
inline constexpr int kKvBlockTokens = 64;

// Blocks that hold `num_tokens` tokens.
constexpr int KvBlocksFor(int64_t num_tokens) {
  return static_cast<int>((num_tokens + kKvBlockTokens - 1) / kKvBlockTokens);
}

// How the next token of a sequence is chosen; proto Sampling with every default
// filled in and every bound checked.
struct SamplingParams {
  float temperature = 1;  // 0: the most likely token
  float top_p = 1;
  int top_k = 0;  // 0: all
  float min_p = 0;
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  uint64_t seed = 0;
  std::map<int, float> logit_bias;
  // Never sampled while fewer than `min_tokens` were generated.
  std::vector<int> stop_token_ids;
  int min_tokens = 0;
  int num_logprobs = -1;  // -1: none; else alternatives to report, in [0, 20]

  bool greedy() const { return temperature == 0; }
};

// The embeddings of some consecutive prompt tokens. `data` is borrowed: it must
// stay until the step has been collected.
struct EmbeddingRows {
  int first_slot = 0;  // index into StepInput::token_ids
  int num_rows = 0;
  DType dtype = DType::kBFloat16;
  const char* data = nullptr;  // [num_rows, hidden_size]
};

// One sequence's part of a step: `num_new` token slots after `num_cached`
// tokens that are in the cache already.
struct StepSequence {
  std::vector<int>
      block_table;  // enough blocks for num_cached + num_new tokens
  int num_cached = 0;
  int num_new = 0;
  // Sampling state to draw the next token from after the last new token; -1: no
  // logits wanted (a prefill chunk that is not the last).
  int sampling_slot = -1;
};

// One forward pass over the token slots of many sequences, packed without
// padding, in the order of `sequences`. Positions follow: num_cached,
// num_cached + 1, ...
struct StepInput {
  // A vocabulary id for every slot; slots under `embeddings` are not looked up.
  std::vector<int> token_ids;
  std::vector<EmbeddingRows> embeddings;  // in order, without overlap
  std::vector<StepSequence> sequences;
};

struct SampledToken {
  int sampling_slot = -1;
  int token_id = -1;
  // The rest where SamplingParams::num_logprobs asks for it. Log-softmax of the
  // raw logits.
  float logprob = 0;
  std::vector<std::pair<int, float>> top;  // token id, log probability
  // Not OK: the logits held a NaN or an infinity (INTERNAL NUMERIC_FAULT).
  absl::Status status;
};

struct StepOutput {
  std::vector<SampledToken>
      tokens;  // one for each sampling_slot >= 0, in order
};

// What runs steps: the model on its device, or a fake. One thread owns it.
class StepRunner {
 public:
  virtual ~StepRunner() = default;

  // KV blocks there are, block 0 not counted: it is scratch. Valid block ids
  // are 1 .. num_kv_blocks().
  virtual int num_kv_blocks() const = 0;
  virtual int num_sampling_slots() const = 0;

  // Readies a sampling slot for a new sequence. `params` must stay valid
  // ranges; `generated` are tokens it has produced before (after preemption).
  virtual absl::Status OpenSamplingSlot(int slot, const SamplingParams& params,
                                        const std::vector<int>& generated) = 0;
  virtual void CloseSamplingSlot(int slot) = 0;

  // Queues a step. At most one step may be waiting to be collected. RESOURCE_
  // EXHAUSTED DEVICE_OUT_OF_MEMORY or INTERNAL where the device fails.
  virtual absl::Status Submit(const StepInput& input) = 0;

  // Waits for the step and returns its tokens.
  virtual absl::StatusOr<StepOutput> Collect() = 0;
};

}  // namespace tandem
