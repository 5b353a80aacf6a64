#include "llm_service/batch_scheduler.h"

#include <algorithm>
#include <utility>

#include "llm_service/engine_errors.h"
#include "llm_service/step.h"

namespace tandem {

BatchScheduler::BatchScheduler(Options options, KvBlockPool& pool)
    : options_(options), pool_(pool) {
  for (int slot = options_.max_running - 1; slot >= 0; --slot) {
    free_slots_.push_back(slot);
  }
}

absl::Status BatchScheduler::Add(Sequence& sequence) {
  // Whoever has a place in the next batch does not wait yet.
  const int bound = options_.max_waiting + static_cast<int>(free_slots_.size());
  if (num_waiting() >= bound) {
    return OverloadedError(num_waiting(), options_.max_waiting);
  }
  waiting_.push_back(&sequence);
  return absl::OkStatus();
}

void BatchScheduler::Remove(Sequence& sequence) {
  if (!sequence.running()) {
    waiting_.erase(std::remove(waiting_.begin(), waiting_.end(), &sequence),
                   waiting_.end());
    return;
  }
  running_.erase(std::remove(running_.begin(), running_.end(), &sequence),
                 running_.end());
  free_slots_.push_back(std::exchange(sequence.sampling_slot, -1));
  sequence.kv = {};
}

std::vector<PlannedRow> BatchScheduler::Plan(std::vector<Sequence*>& admitted) {
  Admit(admitted);
  std::vector<PlannedRow> rows;
  for (Sequence* sequence : running_) {
    if (sequence->decoding() && !sequence->paused)
      rows.push_back({sequence, 1});
  }
  int budget = options_.max_prefill_tokens;
  for (Sequence* sequence : running_) {
    if (sequence->decoding()) continue;
    const int chunk = NextChunk(*sequence);
    // A chunk that does not fit waits whole, and so does whoever came later.
    if (chunk > budget) break;
    if (chunk > 0) rows.push_back({sequence, chunk});
    budget -= chunk;
  }
  return rows;
}

void BatchScheduler::Admit(std::vector<Sequence*>& admitted) {
  while (!waiting_.empty() && !free_slots_.empty()) {
    Sequence& sequence = *waiting_.front();
    auto lease = pool_.Take(KvBlocksFor(sequence.max_cached()));
    if (!lease.has_value()) return;
    sequence.kv = *std::move(lease);
    sequence.sampling_slot = free_slots_.back();
    free_slots_.pop_back();
    waiting_.pop_front();
    running_.push_back(&sequence);
    admitted.push_back(&sequence);
  }
}

int BatchScheduler::NextChunk(const Sequence& sequence) const {
  const int chunk = options_.max_prefill_tokens;
  const int border =
      std::min((sequence.num_cached / chunk + 1) * chunk, sequence.num_prompt);
  if (sequence.ready_frontier >= border) return border - sequence.num_cached;
  const int ready = sequence.ready_frontier - sequence.num_cached;
  return ready >= options_.min_frontier_tokens ? ready : 0;
}

}  // namespace tandem
