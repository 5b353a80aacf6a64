#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "llm_service/step.h"

namespace tandem {

// A step runner without a model. A sequence's next token is a function of what
// lies in the KV slots of its block table: every token, every embedding byte
// and every position before it. So a wrong block, a lost or doubled token, a
// row of another image, all show as other tokens than the sequence gets alone.
//
// It also checks how it is used and keeps what is wrong in problems(). The
// controls are thread-safe; a step that is held lets a test look at the engine
// in the middle of it.
class FakeStepRunner final : public StepRunner {
 public:
  struct Options {
    int num_kv_blocks = 64;
    int num_sampling_slots = 16;
    int hidden_size = 8;
    // Tokens it samples from.
    std::vector<int> vocabulary = {'a', 'b', 'c', 'd', 'e'};
    // Where not empty: the n-th token of every sequence, again from the start
    // when it is over.
    std::vector<int> script;
  };
  explicit FakeStepRunner(Options options);

  int num_kv_blocks() const override { return options_.num_kv_blocks; }
  int num_sampling_slots() const override {
    return options_.num_sampling_slots;
  }
  absl::Status OpenSamplingSlot(int slot, const SamplingParams& params,
                                const std::vector<int>& generated) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  void CloseSamplingSlot(int slot) override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Submit(const StepInput& input) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<StepOutput> Collect() override ABSL_LOCKS_EXCLUDED(mutex_);

  // The next call of that kind fails.
  void FailNextSubmit(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  void FailNextCollect(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  void FailNextOpen(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // The first token of the next step that samples carries `status`.
  void FailNextToken(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  // Steps wait in Collect, once so many more have passed, until Release.
  void Hold(int after_steps = 0) ABSL_LOCKS_EXCLUDED(mutex_);
  void WaitUntilHeld() ABSL_LOCKS_EXCLUDED(mutex_);
  void Release() ABSL_LOCKS_EXCLUDED(mutex_);

  int num_open_slots() const ABSL_LOCKS_EXCLUDED(mutex_);
  int num_steps() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Sequences of the largest step so far.
  int largest_batch() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::string> problems() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct SlotState {
    SamplingParams params;
    int num_generated = 0;
  };

  void Check(bool fine, const std::string& problem)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckBlocks(const StepInput& input)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<uint64_t> HashTokens(const StepInput& input)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Write(const StepSequence& sequence, const uint64_t* hashes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t History(const StepSequence& sequence)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  SampledToken Sample(const StepSequence& sequence)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int Choose(uint64_t history, const SlotState& slot) const;

  const Options options_;
  mutable absl::Mutex mutex_;
  std::vector<uint64_t> kv_ ABSL_GUARDED_BY(mutex_);  // one for each KV slot
  std::map<int, SlotState> slots_ ABSL_GUARDED_BY(mutex_);
  absl::optional<StepOutput> output_ ABSL_GUARDED_BY(mutex_);
  absl::Status next_submit_ ABSL_GUARDED_BY(mutex_);
  absl::Status next_collect_ ABSL_GUARDED_BY(mutex_);
  absl::Status next_open_ ABSL_GUARDED_BY(mutex_);
  absl::Status next_token_ ABSL_GUARDED_BY(mutex_);
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  int steps_before_hold_ ABSL_GUARDED_BY(mutex_) = 0;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int num_steps_ ABSL_GUARDED_BY(mutex_) = 0;
  int largest_batch_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> problems_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
