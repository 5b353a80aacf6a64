#include "llm_service/llm_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "kernels/cpu/parallel.h"
#include "kernels/torch_status.h"
#include "llm_service/step_tensors.h"

namespace tandem {

LlmModel::LlmModel(std::unique_ptr<Qwen2Model> model, KvCache cache,
                   int num_sampling_slots)
    : model_(std::move(model)),
      cache_(std::move(cache)),
      samplers_(num_sampling_slots) {}

absl::StatusOr<std::unique_ptr<LlmModel>> LlmModel::Load(
    const TextConfig& config, const WeightSource& source,
    const Options& options, LoadProgress* progress) {
  TANDEM_ASSIGN_OR_RETURN(
      std::unique_ptr<Qwen2Model> model,
      Qwen2Model::Load(config, source, options.model, progress));
  TANDEM_ASSIGN_OR_RETURN(
      KvCache cache,
      KvCache::Allocate(MakeKvLayout(config, options.model.dtype),
                        options.num_kv_blocks, options.model.device));
  // Not make_unique: the constructor is private.
  return std::unique_ptr<LlmModel>(new LlmModel(
      std::move(model), std::move(cache), options.num_sampling_slots));
}

absl::Status LlmModel::OpenSamplingSlot(int slot, const SamplingParams& params,
                                        const std::vector<int>& generated) {
  if (slot < 0 || slot >= num_sampling_slots()) {
    return absl::InternalError(absl::StrCat("sampling slot ", slot,
                                            " is outside [0, ",
                                            num_sampling_slots() - 1, "]"));
  }
  if (samplers_[slot].has_value()) {
    return absl::InternalError(
        absl::StrCat("sampling slot ", slot, " is open already"));
  }
  for (const int token : generated) {
    if (token < 0 || token >= model_->config().vocab_size) {
      return absl::InternalError(
          absl::StrCat("generated token ", token, " is not in the vocabulary"));
    }
  }
  samplers_[slot].emplace(params, generated);
  return absl::OkStatus();
}

void LlmModel::CloseSamplingSlot(int slot) { samplers_[slot].reset(); }

absl::Status LlmModel::CheckSlots(const StepInput& input) const {
  if (output_.has_value()) {
    return absl::InternalError("the step before was not collected");
  }
  std::vector<bool> used(samplers_.size());
  for (const StepSequence& sequence : input.sequences) {
    const int slot = sequence.sampling_slot;
    if (slot < 0) continue;
    if (!samplers_[slot].has_value() || used[slot]) {
      return absl::InternalError(
          absl::StrCat("sampling slot ", slot,
                       used[slot] ? " is used twice" : " is not open"));
    }
    used[slot] = true;
  }
  return absl::OkStatus();
}

StepOutput LlmModel::Sample(const StepInput& input, const at::Tensor& logits) {
  std::vector<int> slots;
  for (const StepSequence& sequence : input.sequences) {
    if (sequence.sampling_slot >= 0) slots.push_back(sequence.sampling_slot);
  }
  // A bfloat16 model's logits are rounded to bfloat16 here, as its reference's
  // are: what ties there must tie here.
  const at::Tensor scores = logits.cpu().to(at::kFloat).contiguous();
  const auto vocab = static_cast<size_t>(scores.size(1));
  StepOutput output;
  output.tokens.resize(slots.size());
  cpu::ParallelItems(static_cast<int64_t>(slots.size()), [&](int64_t i) {
    const float* row = scores.data_ptr<float>() + i * scores.size(1);
    output.tokens[i] = samplers_[slots[i]]->Sample({row, vocab});
    output.tokens[i].sampling_slot = slots[i];
  });
  return output;
}

absl::Status LlmModel::Submit(const StepInput& input) {
  const StepLimits limits{.vocab_size = model_->config().vocab_size,
                          .num_kv_blocks = num_kv_blocks(),
                          .max_positions = model_->config().max_positions,
                          .num_sampling_slots = num_sampling_slots()};
  return TorchToStatus([&]() -> absl::Status {
    TANDEM_ASSIGN_OR_RETURN(const StepTensors step,
                            MakeStepTensors(input, limits));
    TANDEM_RETURN_IF_ERROR(CheckSlots(input));
    const at::Tensor logits = model_->Forward(ToDevice(step, model_->device()),
                                              input.embeddings, cache_);
    output_ = Sample(input, logits);
    return absl::OkStatus();
  });
}

absl::StatusOr<StepOutput> LlmModel::Collect() {
  if (!output_.has_value()) {
    return absl::InternalError("no step was submitted");
  }
  StepOutput output = *std::move(output_);
  output_.reset();
  return output;
}

}  // namespace tandem
