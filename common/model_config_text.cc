#include <string>

#include "absl/strings/str_cat.h"
#include "common/config_checks.h"
#include "common/model_config_parts.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

using nlohmann::json;

constexpr int kMaxVocabulary = 1 << 22;
constexpr int kMaxPositions = 1 << 22;

// "dynamic" scales nothing up to max_position_embeddings, which is as far as we
// go; every other kind changes the angles at all lengths.
absl::Status CheckRopeScaling(const JsonObject& object, absl::string_view key) {
  TANDEM_ASSIGN_OR_RETURN(const JsonObject scaling, object.Object(key));
  for (const char* name : {"type", "rope_type"}) {
    std::string type = "default";
    TANDEM_RETURN_IF_ERROR(scaling.ReadString(name, type));
    if (type != "default" && type != "dynamic") {
      return scaling.Error(
          name,
          absl::StrCat("is \"", type, "\"; supported are default, dynamic"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadRope(const JsonObject& object, TextConfig& text) {
  TANDEM_RETURN_IF_ERROR(CheckRopeScaling(object, "rope_scaling"));
  TANDEM_RETURN_IF_ERROR(
      object.ReadNumber("rope_theta", 1, 1e12, text.rope_theta));
  // Where transformers 5 keeps both.
  TANDEM_RETURN_IF_ERROR(CheckRopeScaling(object, "rope_parameters"));
  TANDEM_ASSIGN_OR_RETURN(const JsonObject parameters,
                          object.Object("rope_parameters"));
  return parameters.ReadNumber("rope_theta", 1, 1e12, text.rope_theta);
}

absl::Status CheckFullAttention(const JsonObject& object) {
  TANDEM_RETURN_IF_ERROR(ExpectBool(object, "use_sliding_window", false));
  const json* const types = object.Find("layer_types");
  if (types == nullptr) return absl::OkStatus();
  for (const json& type : *types) {
    if (type != "full_attention") {
      return object.Error("layer_types", "holds other than full_attention");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckQwen2(const JsonObject& object) {
  const json* const architectures = object.Find("architectures");
  if (architectures != nullptr &&
      *architectures != json::array({"Qwen2ForCausalLM"})) {
    return object.Error("architectures",
                        absl::StrCat("is ", architectures->dump(),
                                     "; supported is "
                                     "[\"Qwen2ForCausalLM\"]"));
  }
  TANDEM_RETURN_IF_ERROR(ExpectString(object, "model_type", "qwen2"));
  TANDEM_RETURN_IF_ERROR(ExpectString(object, "hidden_act", "silu"));
  TANDEM_RETURN_IF_ERROR(ExpectMissing(object, "quantization_config"));
  return CheckFullAttention(object);
}

absl::Status ReadHeads(const JsonObject& object, TextConfig& text) {
  TANDEM_RETURN_IF_ERROR(
      object.ReadInt("num_attention_heads", 1, kMaxHeads, text.num_heads));
  TANDEM_RETURN_IF_ERROR(
      object.ReadInt("num_key_value_heads", 1, kMaxHeads, text.num_kv_heads));
  TANDEM_RETURN_IF_ERROR(CheckDivides(object, "num_key_value_heads",
                                      text.num_kv_heads, "num_attention_heads",
                                      text.num_heads));
  if (object.Find("head_dim") == nullptr) {
    TANDEM_RETURN_IF_ERROR(CheckDivides(object, "num_attention_heads",
                                        text.num_heads, "hidden_size",
                                        text.hidden_size));
    text.head_dim = text.hidden_size / text.num_heads;
  }
  TANDEM_RETURN_IF_ERROR(object.ReadInt("head_dim", 1, 1024, text.head_dim));
  if (text.head_dim % 2 != 0) {
    return object.Error("head_dim", absl::StrCat("is ", text.head_dim,
                                                 ", not a multiple of 2"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TextConfig> ReadText(const JsonObject& object) {
  TextConfig text = {.hidden_size = 4096,
                     .num_layers = 32,
                     .num_heads = 32,
                     .num_kv_heads = 32,
                     .intermediate_size = 22016,
                     .vocab_size = 151936,
                     .max_positions = 32768,
                     .norm_epsilon = 1e-6f,
                     .rope_theta = 10000};
  TANDEM_RETURN_IF_ERROR(CheckQwen2(object));
  TANDEM_RETURN_IF_ERROR(
      object.ReadInt("hidden_size", 1, kMaxWidth, text.hidden_size));
  TANDEM_RETURN_IF_ERROR(
      object.ReadInt("num_hidden_layers", 1, kMaxLayers, text.num_layers));
  TANDEM_RETURN_IF_ERROR(object.ReadInt("intermediate_size", 1, kMaxWidth,
                                        text.intermediate_size));
  TANDEM_RETURN_IF_ERROR(
      object.ReadInt("vocab_size", 1, kMaxVocabulary, text.vocab_size));
  TANDEM_RETURN_IF_ERROR(object.ReadInt("max_position_embeddings", 1,
                                        kMaxPositions, text.max_positions));
  TANDEM_RETURN_IF_ERROR(
      ReadFloat(object, "rms_norm_eps", 1e-12, 0.1, text.norm_epsilon));
  TANDEM_RETURN_IF_ERROR(ReadHeads(object, text));
  TANDEM_RETURN_IF_ERROR(ReadRope(object, text));
  return text;
}

}  // namespace tandem
