#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "llm_service/step.h"

namespace tandem {

// Chooses the tokens of one sequence, one after the other.
//
// Order, on float32 logits: repetition penalty, presence and frequency penalty
// (all three over generated tokens alone), logit bias, stop tokens masked until
// min_tokens; then temperature, top-k (ties with the k-th are kept), top-p (the
// smallest set, best first, whose mass reaches top_p), min-p; then one draw. A
// temperature of 0 takes the best instead. Among equals the lower id is better.
//
// The draw is Philox by (seed, number of tokens generated so far), so a token
// depends on the sequence alone: not on its batch, nor on preemption.
// Source: transformers' logits processors; the penalties are the OpenAI API's.
class SequenceSampler {
 public:
  SequenceSampler(SamplingParams params, absl::Span<const int> generated);

  // Chooses from the raw logits of the whole vocabulary and remembers the
  // choice. With num_logprobs >= 0 also reports the choice's log probability
  // and the most likely tokens: log-softmax of the logits as given. status is
  // INTERNAL NUMERIC_FAULT, and nothing is chosen, if a logit is NaN or
  // infinite.
  SampledToken Sample(absl::Span<const float> logits);

  uint64_t num_generated() const { return num_generated_; }

 private:
  // Writes the logits after penalties, bias and mask to adjusted_.
  void Adjust(absl::Span<const float> logits);
  bool adjusts() const;
  void Remember(int token);

  SamplingParams params_;
  absl::flat_hash_map<int, int> counts_;  // times that a token was generated
  uint64_t num_generated_ = 0;
  std::vector<float> adjusted_;
};

// The best logit's id; among equals the lowest.
int ArgMax(absl::Span<const float> logits);

// Draws with `uniform` in [0, 1) after temperature, top-k, top-p and min-p. A
// logit may be minus infinity (never drawn), one at least is finite.
int Draw(absl::Span<const float> logits, const SamplingParams& params,
         double uniform);

// Fills logprob and top of `token`, whose id is set, from raw logits.
void FillLogProbs(absl::Span<const float> logits, int num_top,
                  SampledToken& token);

}  // namespace tandem
