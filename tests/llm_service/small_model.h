#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/model_config.h"
#include "common/weight_source.h"
#include "llm_service/llm_model.h"

namespace tandem {

// A decoder of a few thousand weights.
ModelConfig SmallConfig();

// A model whose named values can be looked at after each step.
struct ObservedModel {
  std::unique_ptr<LlmModel> model;
  // The last step's values by name, copied to the host.
  std::shared_ptr<std::map<std::string, at::Tensor>> seen;

  const at::Tensor& value(const std::string& name) const {
    return seen->at(name);
  }
};
ObservedModel LoadObserved(const TextConfig& config, const WeightSource& source,
                           DType dtype, int num_kv_blocks = 64,
                           const std::string& device = "cpu");

// A sequence of a test, and where it lives.
struct TestSequence {
  std::vector<int> token_ids;
  std::vector<int> block_table;
  int num_cached = 0;
  int slot = 0;
};

// Adds the next `num_new` tokens of `sequence` to a step, and moves it on.
void AddChunk(TestSequence& sequence, int num_new, bool sample,
              StepInput& input);

// Submits and collects; fails the test on an error.
StepOutput RunStep(LlmModel& model, const StepInput& input);

// Greedy sampling with the two best log probabilities.
SamplingParams GreedyParams();

}  // namespace tandem
