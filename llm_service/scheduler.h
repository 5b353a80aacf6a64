#pragma once

#include <vector>

#include "absl/status/status.h"
#include "llm_service/sequence.h"

namespace tandem {

// Some of a sequence's tokens, in one step: those behind num_cached.
struct PlannedRow {
  Sequence* sequence = nullptr;
  int num_tokens = 0;
  // The row reaches the last known token: a next one is to be sampled.
  bool samples() const {
    return sequence->num_cached + num_tokens ==
           static_cast<int>(sequence->token_ids.size());
  }
};

// Decides which sequences run the next step with how many tokens, and who has
// blocks and sampling slots. No tensor, no clock, no thread: the engine asks
// before every step and says what came of it by changing the sequences.
// Not thread-safe.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // Queues a sequence. RESOURCE_EXHAUSTED OVERLOADED with RetryInfo when the
  // queue is full. The sequence stays the caller's and must stay until Remove.
  virtual absl::Status Add(Sequence& sequence) = 0;

  // Forgets a sequence, waiting or running; blocks and slot are free again.
  virtual void Remove(Sequence& sequence) = 0;

  // The next step, empty when there is nothing to compute now. Sequences that
  // start running are appended to `admitted`: they have their blocks and their
  // slot, which the caller readies before the step.
  virtual std::vector<PlannedRow> Plan(std::vector<Sequence*>& admitted) = 0;

  virtual int num_waiting() const = 0;
  virtual int num_running() const = 0;
};

}  // namespace tandem
