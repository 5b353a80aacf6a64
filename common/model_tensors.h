#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/model_config.h"
#include "common/weight_source.h"

namespace tandem {

// A weight of the model: canonical name and shape.
struct ModelTensor {
  std::string name;
  std::vector<int64_t> shape;

  int64_t num_values() const;
};

// The tensors of `set` that `config` asks for, in a fixed order: vision tower,
// projector, language model. lm_head is among them whether or not a checkpoint
// ties it to the embedding table.
std::vector<ModelTensor> ModelTensors(const ModelConfig& config, WeightSet set);

// True for canonical names of the vision tower and the projector.
bool IsVisionTensor(absl::string_view name);

inline constexpr char kEmbedTokens[] =
    "language_model.model.embed_tokens.weight";
inline constexpr char kLmHead[] = "language_model.lm_head.weight";

}  // namespace tandem
