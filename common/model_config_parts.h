#pragma once

#include "absl/status/statusor.h"
#include "common/json_file.h"
#include "common/model_config.h"

// The pieces that ReadModelConfig is made of; for common/model_config*.cc only.
namespace tandem {

// Bounds beyond any model of this family, and small enough that products of two
// values fit into 64 bits many times over.
inline constexpr int kMaxWidth = 1 << 17;
inline constexpr int kMaxLayers = 1024;
inline constexpr int kMaxHeads = 1024;
inline constexpr int kMaxImageSize = 4096;

// `vision_config`. A missing key means what it means to each layout's own code:
// the 6B model's dimensions in the CUSTOM layout, the 300M model's in the
// other.
absl::StatusOr<VisionConfig> ReadCustomVision(const JsonObject& object);
absl::StatusOr<VisionConfig> ReadHfVision(const JsonObject& object);

// `llm_config` or `text_config`. A missing key means what it means to
// Qwen2Config of transformers.
absl::StatusOr<TextConfig> ReadText(const JsonObject& object);

}  // namespace tandem
