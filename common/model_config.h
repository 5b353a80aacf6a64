#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "common/dtype.h"

namespace tandem {

// How a checkpoint is written: internvl_chat with Python code beside it, or the
// Hugging Face port.
enum class Layout { kCustom, kHf };
// Which conventions a service follows; see proto Profile.
enum class PreprocessingProfile { kCustom, kHf };

// InternViT. All sizes > 0.
struct VisionConfig {
  int hidden_size = 0;
  int num_layers = 0;
  int num_heads = 0;
  int intermediate_size = 0;
  int patch_size = 0;     // pixels
  int image_size = 0;     // pixels, the tile's edge; a multiple of patch_size
  bool rms_norm = false;  // else LayerNorm with bias
  float norm_epsilon = 0;
  bool qkv_bias = false;
  bool qk_norm = false;  // RMS norm over all heads of q and of k together

  int head_dim() const { return hidden_size / num_heads; }
  int patches_per_side() const { return image_size / patch_size; }
  int num_positions() const {  // one for the class token
    return patches_per_side() * patches_per_side() + 1;
  }
};

// Qwen2.
struct TextConfig {
  int hidden_size = 0;
  int num_layers = 0;
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  int intermediate_size = 0;
  int vocab_size = 0;
  int max_positions = 0;  // of prompt and answer together
  float norm_epsilon = 0;
  double rope_theta = 0;
};

// generation_config.json; what the file does not say is not set.
struct GenerationConfig {
  absl::optional<bool> do_sample;
  absl::optional<float> temperature, top_p, min_p, repetition_penalty;
  absl::optional<int> top_k, max_new_tokens;
  std::vector<int> eos_token_ids;
};

// config.json of an InternVL3 directory, both layouts.
struct ModelConfig {
  Layout layout = Layout::kCustom;
  VisionConfig vision;
  TextConfig text;
  GenerationConfig generation;
  double downsample_ratio = 0.5;  // the only one that is supported
  DType stored_dtype =
      DType::kBFloat16;  // torch_dtype: what --dtype auto means
  int max_tiles = 12;    // max_dynamic_patch
  // `config.system_message` where it is a string; null counts as absent.
  absl::optional<std::string> system_message;
  // Stop tokens named in config.json (the tokenizer adds its own).
  std::vector<int> eos_token_ids;

  // (image_size / patch_size x downsample_ratio)^2, 256 for InternVL3.
  int tokens_per_tile() const;
  // Values of one projector input: hidden_size / downsample_ratio^2.
  int projector_input_size() const;
};

// Reads `directory`/config.json and generation_config.json (which may be
// missing). Configurations of other models that share the names are refused:
// architectures other than InternVL with Qwen2, ps_version v1, select_layer
// other than -1, flash_mode, quantization_config, tiling without a thumbnail,
// pad2square, min_dynamic_patch other than 1.
//
// NOT_FOUND or INVALID_ARGUMENT, naming the file and the key. Thread-safe.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& directory);

}  // namespace tandem
