#include "tests/common/tiny_model.h"

#include <gtest/gtest.h>

#include <fstream>

#include "common/model_tensors.h"
#include "tests/common/test_files.h"

namespace tandem {

ModelConfig TinyConfig(bool large_family) {
  ModelConfig config;
  config.vision = {.hidden_size = 8,
                   .num_layers = 2,
                   .num_heads = 2,
                   .intermediate_size = 12,
                   .patch_size = 2,
                   .image_size = 8,
                   .rms_norm = large_family,
                   .norm_epsilon = 1e-6f,
                   .qkv_bias = !large_family,
                   .qk_norm = large_family};
  config.text = {.hidden_size = 6,
                 .num_layers = 2,
                 .num_heads = 3,
                 .num_kv_heads = 1,
                 .head_dim = 2,
                 .intermediate_size = 10,
                 .vocab_size = 20,
                 .max_positions = 64,
                 .norm_epsilon = 1e-6f,
                 .rope_theta = 1e6};
  return config;
}

std::vector<float> AllValues(const WeightSource& source,
                             const std::string& name) {
  const auto shape = source.Shape(name);
  EXPECT_TRUE(shape.ok()) << shape.status();
  if (!shape.ok()) return {};
  std::vector<float> values(ModelTensor{name, *shape}.num_values());
  const absl::Status read =
      source.ReadRows(name, 0, (*shape)[0], DType::kFloat32, values.data());
  EXPECT_TRUE(read.ok()) << read;
  return values;
}

void WriteCheckpoint(const std::string& directory, const ModelConfig& config,
                     const WeightSource& source, const WriteOptions& options) {
  SafetensorsBuilder builder;
  for (const ModelTensor& tensor : ModelTensors(config, WeightSet::kAll)) {
    if (options.keep && !options.keep(tensor.name)) continue;
    builder.Add(options.rename ? options.rename(tensor.name) : tensor.name,
                "F32", tensor.shape, BytesOf(AllValues(source, tensor.name)));
  }
  std::ofstream file(directory + "/" + options.file, std::ios::binary);
  file << builder.Build();
}

}  // namespace tandem
