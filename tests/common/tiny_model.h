#pragma once

#include <functional>
#include <string>

#include "common/model_config.h"
#include "common/weight_source.h"

namespace tandem {

// A configuration of a few kilobytes, of either vision family.
ModelConfig TinyConfig(bool large_family = false);

// Writes the tensors of `source` that `config` asks for as model.safetensors in
// the CUSTOM layout. `keep` says which; `rename` what they are called.
struct WriteOptions {
  std::function<bool(const std::string&)> keep = nullptr;
  std::function<std::string(const std::string&)> rename = nullptr;
  std::string file = "model.safetensors";
};
void WriteCheckpoint(const std::string& directory, const ModelConfig& config,
                     const WeightSource& source,
                     const WriteOptions& options = {});

// All values of a tensor as float32.
std::vector<float> AllValues(const WeightSource& source,
                             const std::string& name);

}  // namespace tandem
