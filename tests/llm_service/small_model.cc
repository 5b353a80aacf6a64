#include "tests/llm_service/small_model.h"

#include <gtest/gtest.h>

#include "kernels/device.h"

namespace tandem {

ModelConfig SmallConfig() {
  ModelConfig config;
  config.vision.hidden_size = 16;
  config.vision.num_layers = 1;
  config.vision.num_heads = 1;
  config.vision.intermediate_size = 16;
  config.vision.patch_size = 14;
  config.vision.image_size = 28;
  config.vision.norm_epsilon = 1e-6f;
  config.vision.qkv_bias = true;
  config.text.hidden_size = 48;
  config.text.num_layers = 3;
  config.text.num_heads = 6;
  config.text.num_kv_heads = 2;
  config.text.head_dim = 8;
  config.text.intermediate_size = 70;
  config.text.vocab_size = 101;
  config.text.max_positions = 1024;
  config.text.norm_epsilon = 1e-6f;
  config.text.rope_theta = 1e6;
  return config;
}

ObservedModel LoadObserved(const TextConfig& config, const WeightSource& source,
                           DType dtype, int num_kv_blocks,
                           const std::string& device) {
  ObservedModel observed;
  observed.seen = std::make_shared<std::map<std::string, at::Tensor>>();
  LlmModel::Options options;
  options.model.dtype = dtype;
  options.model.device = *ParseDevice("test", device);
  options.model.observer = [seen = observed.seen](absl::string_view name,
                                                  const at::Tensor& value) {
    (*seen)[std::string(name)] = value.cpu().clone();
  };
  options.num_kv_blocks = num_kv_blocks;
  options.num_sampling_slots = 8;
  auto model = LlmModel::Load(config, source, options);
  EXPECT_TRUE(model.ok()) << model.status();
  if (model.ok()) observed.model = *std::move(model);
  return observed;
}

void AddChunk(TestSequence& sequence, int num_new, bool sample,
              StepInput& input) {
  const auto first = sequence.token_ids.begin() + sequence.num_cached;
  input.token_ids.insert(input.token_ids.end(), first, first + num_new);
  input.sequences.push_back({.block_table = sequence.block_table,
                             .num_cached = sequence.num_cached,
                             .num_new = num_new,
                             .sampling_slot = sample ? sequence.slot : -1});
  sequence.num_cached += num_new;
}

StepOutput RunStep(LlmModel& model, const StepInput& input) {
  const absl::Status submitted = model.Submit(input);
  EXPECT_TRUE(submitted.ok()) << submitted;
  if (!submitted.ok()) return {};
  auto output = model.Collect();
  EXPECT_TRUE(output.ok()) << output.status();
  return output.ok() ? *std::move(output) : StepOutput{};
}

SamplingParams GreedyParams() {
  SamplingParams params;
  params.temperature = 0;
  params.num_logprobs = 2;
  return params;
}

}  // namespace tandem
