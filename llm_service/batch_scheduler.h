#pragma once

#include <deque>
#include <vector>

#include "llm_service/kv_block_pool.h"
#include "llm_service/scheduler.h"

namespace tandem {

// The plain continuous batch: first come, first served.
//
// A sequence starts when it is the oldest that waits, fewer than `max_running`
// run, and the blocks for its whole prompt and answer are free: they are its
// own from then on, so nothing is ever preempted. A step holds one token of
// every sequence that decodes, and beside them prefill chunks, oldest first, of
// `max_prefill_tokens` together.
//
// Chunks end at multiples of `max_prefill_tokens`, at the frontier of the tiles
// that have come, or with the prompt: never where another sequence's load would
// put the cut. A frontier that brings fewer than `min_frontier_tokens` is
// waited out, since a step costs about the same whatever it holds.
class BatchScheduler final : public Scheduler {
 public:
  struct Options {
    int max_running = 16;  // sampling slots are 0 .. max_running - 1
    int max_waiting = 64;  // beside as many as there are free slots
    int max_prefill_tokens = 512;
    int min_frontier_tokens = 128;
  };
  // `pool` must outlive the scheduler and hold every sequence that is added.
  BatchScheduler(Options options, KvBlockPool& pool);

  absl::Status Add(Sequence& sequence) override;
  void Remove(Sequence& sequence) override;
  std::vector<PlannedRow> Plan(std::vector<Sequence*>& admitted) override;
  int num_waiting() const override { return static_cast<int>(waiting_.size()); }
  int num_running() const override { return static_cast<int>(running_.size()); }

 private:
  void Admit(std::vector<Sequence*>& admitted);
  int NextChunk(const Sequence& sequence) const;

  const Options options_;
  KvBlockPool& pool_;
  std::deque<Sequence*> waiting_;   // oldest first
  std::vector<Sequence*> running_;  // oldest first
  std::vector<int> free_slots_;
};

}  // namespace tandem
