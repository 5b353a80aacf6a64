#include <string>

#include "absl/strings/str_cat.h"
#include "common/config_checks.h"
#include "common/model_config_parts.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

constexpr int kMaxImagePositions = 1 << 16;

absl::Status CheckVision(const JsonObject& object, const VisionConfig& vision) {
  TANDEM_RETURN_IF_ERROR(CheckDivides(object, "num_attention_heads",
                                      vision.num_heads, "hidden_size",
                                      vision.hidden_size));
  TANDEM_RETURN_IF_ERROR(CheckDivides(object, "patch_size", vision.patch_size,
                                      "image_size", vision.image_size));
  const int side = vision.patches_per_side();
  if (side > kMaxImagePositions / side) {
    return object.Error(
        "image_size", absl::StrCat("gives ", side, "x", side,
                                   " patches, more than ", kMaxImagePositions));
  }
  return absl::OkStatus();
}

// What both layouts name alike.
absl::Status ReadVisionSizes(const JsonObject& object, VisionConfig& vision) {
  TANDEM_RETURN_IF_ERROR(
      object.ReadInt("hidden_size", 1, kMaxWidth, vision.hidden_size));
  TANDEM_RETURN_IF_ERROR(
      object.ReadInt("num_hidden_layers", 1, kMaxLayers, vision.num_layers));
  TANDEM_RETURN_IF_ERROR(
      object.ReadInt("num_attention_heads", 1, kMaxHeads, vision.num_heads));
  TANDEM_RETURN_IF_ERROR(object.ReadInt("intermediate_size", 1, kMaxWidth,
                                        vision.intermediate_size));
  TANDEM_RETURN_IF_ERROR(
      ReadSide(object, "patch_size", kMaxImageSize, vision.patch_size));
  TANDEM_RETURN_IF_ERROR(
      ReadSide(object, "image_size", kMaxImageSize, vision.image_size));
  TANDEM_RETURN_IF_ERROR(
      ReadFloat(object, "layer_norm_eps", 1e-12, 0.1, vision.norm_epsilon));
  std::string norm_type = vision.rms_norm ? "rms_norm" : "layer_norm";
  TANDEM_RETURN_IF_ERROR(object.ReadString("norm_type", norm_type));
  if (norm_type != "rms_norm" && norm_type != "layer_norm") {
    return object.Error("norm_type",
                        absl::StrCat("is \"", norm_type,
                                     "\"; supported are layer_norm, rms_norm"));
  }
  vision.rms_norm = norm_type == "rms_norm";
  TANDEM_RETURN_IF_ERROR(ExpectString(object, "hidden_act", "gelu"));
  TANDEM_RETURN_IF_ERROR(ExpectInt(object, "num_channels", 3));
  return CheckVision(object, vision);
}

}  // namespace

absl::StatusOr<VisionConfig> ReadCustomVision(const JsonObject& object) {
  VisionConfig vision = {.hidden_size = 3200,
                         .num_layers = 48,
                         .num_heads = 25,
                         .intermediate_size = 12800,
                         .patch_size = 14,
                         .image_size = 224,
                         .rms_norm = true,
                         .norm_epsilon = 1e-6f,
                         .qkv_bias = false,
                         .qk_norm = true};
  TANDEM_RETURN_IF_ERROR(object.ReadBool("qkv_bias", vision.qkv_bias));
  TANDEM_RETURN_IF_ERROR(object.ReadBool("qk_normalization", vision.qk_norm));
  TANDEM_RETURN_IF_ERROR(ReadVisionSizes(object, vision));
  return vision;
}

absl::StatusOr<VisionConfig> ReadHfVision(const JsonObject& object) {
  VisionConfig vision = {.hidden_size = 1024,
                         .num_layers = 24,
                         .num_heads = 16,
                         .intermediate_size = 4096,
                         .patch_size = 14,
                         .image_size = 448,
                         .rms_norm = false,
                         .norm_epsilon = 1e-6f,
                         .qkv_bias = false,
                         .qk_norm = false};
  TANDEM_RETURN_IF_ERROR(ExpectString(object, "model_type", "internvl_vision"));
  TANDEM_RETURN_IF_ERROR(
      ExpectBool(object, "use_absolute_position_embeddings", true));
  // Without mean pooling a norm follows the last layer; no released model is
  // so.
  TANDEM_RETURN_IF_ERROR(ExpectBool(object, "use_mean_pooling", true));
  TANDEM_RETURN_IF_ERROR(object.ReadBool("attention_bias", vision.qkv_bias));
  TANDEM_RETURN_IF_ERROR(object.ReadBool("use_qk_norm", vision.qk_norm));
  TANDEM_RETURN_IF_ERROR(ReadVisionSizes(object, vision));
  return vision;
}

}  // namespace tandem
