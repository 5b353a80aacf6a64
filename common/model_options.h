#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/dtype.h"
#include "common/model_config.h"
#include "common/options.h"
#include "common/weight_source.h"

namespace tandem {

// Which model a service serves and how; options of every program with weights.
struct ModelOptions {
  std::string model;           // folder with config.json, weights, tokenizer
  std::string random_weights;  // folder with config.json; instead of `model`
  uint64_t random_seed = 1;
  std::string served_name;  // empty: the folder's name
  std::string dtype = "auto";
  std::string profile = "custom";
  std::optional<int> max_tiles;  // else as the model's configuration says
};

// --model, --random-weights, --random-seed, --served-name, --dtype, --profile,
// --max-tiles.
void AddModelOptions(CommandLine& line, ModelOptions* options);

// A model directory, opened and checked; no weight is read yet.
struct OpenedModel {
  std::string directory;
  std::string name;
  ModelConfig config;  // max_tiles as the options say
  DType dtype = DType::kFloat32;
  PreprocessingProfile profile = PreprocessingProfile::kCustom;
  bool has_random_weights = false;
  std::unique_ptr<WeightSource> weights;
  std::string fingerprint;
};

// What --dtype means for a model: "auto" is what it is stored in, bfloat16 for
// float16, which overflows in Qwen2.
absl::StatusOr<DType> ChooseDType(const std::string& option,
                                  const ModelConfig& config);

// What the options and config.json say, without a look at the weights:
// `weights` is null, `fingerprint` empty. INVALID_ARGUMENT where neither or
// both of model and random_weights are given; else what ReadModelConfig
// answers.
absl::StatusOr<OpenedModel> DescribeModel(const ModelOptions& options);

// DescribeModel, and the weights opened.
// Where the directory has a SHA256SUMS, its files are hashed first (about 1
// GB/s). Else what DescribeModel, VerifyWeightManifest and OpenCheckpoint
// answer.
absl::StatusOr<OpenedModel> OpenModel(const ModelOptions& options,
                                      WeightSet set);

}  // namespace tandem
