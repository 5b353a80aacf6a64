#pragma once

#include <memory>
#include <vector>

#include "absl/types/optional.h"
#include "llm_service/kv_cache.h"
#include "llm_service/qwen2_model.h"
#include "llm_service/sampler.h"
#include "llm_service/step.h"

namespace tandem {

// Runs steps of a Qwen2 decoder on its device: forward pass and sampling. On a
// CPU, Submit computes and Collect hands over the result.
class LlmModel : public StepRunner {
 public:
  struct Options {
    Qwen2Model::Options model;
    // KvLayout::bytes_per_block() bytes each.
    int num_kv_blocks = 0;
    int num_sampling_slots = 64;
  };

  // Reads the weights and allocates the KV blocks; the errors of
  // Qwen2Model::Load and KvCache::Allocate. `progress` may be null.
  static absl::StatusOr<std::unique_ptr<LlmModel>> Load(
      const TextConfig& config, const WeightSource& source,
      const Options& options, LoadProgress* progress = nullptr);

  int num_kv_blocks() const override { return cache_.num_blocks(); }
  int num_sampling_slots() const override {
    return static_cast<int>(samplers_.size());
  }

  // INTERNAL when the slot is not there or open already.
  absl::Status OpenSamplingSlot(int slot, const SamplingParams& params,
                                const std::vector<int>& generated) override;
  void CloseSamplingSlot(int slot) override;

  // INTERNAL too when the step breaks a bound, names a slot that is not open,
  // or the one before was not collected.
  absl::Status Submit(const StepInput& input) override;
  absl::StatusOr<StepOutput> Collect() override;

 private:
  LlmModel(std::unique_ptr<Qwen2Model> model, KvCache cache,
           int num_sampling_slots);

  absl::Status CheckSlots(const StepInput& input) const;
  // One row of logits for each sampling slot of the step, in order.
  StepOutput Sample(const StepInput& input, const at::Tensor& logits);

  std::unique_ptr<Qwen2Model> model_;
  KvCache cache_;
  std::vector<absl::optional<SequenceSampler>> samplers_;
  absl::optional<StepOutput> output_;
};

}  // namespace tandem
