#include "common/model_config.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/config_checks.h"
#include "common/json_file.h"
#include "common/model_config_parts.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

using nlohmann::json;

constexpr int64_t kMaxConfigBytes = 1 << 20;

absl::Status ReadDownsampleRatio(const JsonObject& root, ModelConfig& config) {
  TANDEM_RETURN_IF_ERROR(
      root.ReadNumber("downsample_ratio", 0, 1, config.downsample_ratio));
  if (config.downsample_ratio != 0.5) {
    return root.Error(
        "downsample_ratio",
        absl::StrCat("is ", config.downsample_ratio, "; supported is 0.5"));
  }
  const int side = config.vision.patches_per_side();
  if (side % 2 == 0) return absl::OkStatus();
  return root.Error("downsample_ratio",
                    absl::StrCat("is 0.5, which does not divide ", side,
                                 " patches a side evenly"));
}

absl::Status CheckUniversal(const JsonObject& root) {
  TANDEM_RETURN_IF_ERROR(ExpectMissing(root, "quantization_config"));
  return ExpectBool(root, "flash_mode", false);
}

absl::Status ReadTiling(const JsonObject& root, ModelConfig& config) {
  TANDEM_RETURN_IF_ERROR(
      root.ReadInt("max_dynamic_patch", 1, 40, config.max_tiles));
  TANDEM_RETURN_IF_ERROR(ExpectInt(root, "min_dynamic_patch", 1));
  TANDEM_RETURN_IF_ERROR(ExpectBool(root, "use_thumbnail", true));
  TANDEM_RETURN_IF_ERROR(ExpectBool(root, "pad2square", false));
  bool dynamic = true;
  TANDEM_RETURN_IF_ERROR(root.ReadBool("dynamic_image_size", dynamic));
  if (!dynamic) config.max_tiles = 1;
  return absl::OkStatus();
}

absl::Status ReadCustom(const JsonObject& root, ModelConfig& config) {
  config.layout = Layout::kCustom;
  TANDEM_ASSIGN_OR_RETURN(const JsonObject vision,
                          root.Object("vision_config"));
  TANDEM_ASSIGN_OR_RETURN(config.vision, ReadCustomVision(vision));
  int forced = config.vision.image_size;
  TANDEM_RETURN_IF_ERROR(
      root.ReadInt("force_image_size", 1, kMaxImageSize, forced));
  if (forced != config.vision.image_size) {
    return root.Error(
        "force_image_size",
        absl::StrCat("is ", forced, " but vision_config.image_size is ",
                     config.vision.image_size,
                     "; positions are not interpolated"));
  }
  if (root.Find("ps_version") == nullptr) {
    return root.Error("ps_version",
                      "is missing, which means v1; supported is v2");
  }
  TANDEM_RETURN_IF_ERROR(ExpectString(root, "ps_version", "v2"));
  TANDEM_RETURN_IF_ERROR(ExpectInt(root, "select_layer", -1));
  return ReadTiling(root, config);
}

absl::Status ReadHf(const JsonObject& root, ModelConfig& config) {
  config.layout = Layout::kHf;
  TANDEM_ASSIGN_OR_RETURN(const JsonObject vision,
                          root.Object("vision_config"));
  TANDEM_ASSIGN_OR_RETURN(config.vision, ReadHfVision(vision));
  TANDEM_RETURN_IF_ERROR(ExpectInt(root, "vision_feature_layer", -1));
  TANDEM_RETURN_IF_ERROR(
      ExpectString(root, "vision_feature_select_strategy", "default"));
  return ExpectString(root, "projector_hidden_act", "gelu");
}

absl::Status ReadStoredDType(const JsonObject& root, const JsonObject& text,
                             ModelConfig& config) {
  for (const JsonObject* object : {&text, &root}) {  // the root's word counts
    for (const char* key : {"torch_dtype", "dtype"}) {
      if (object->Find(key) == nullptr) continue;
      std::string name;
      TANDEM_RETURN_IF_ERROR(object->ReadString(key, name));
      const auto dtype = ParseDType(absl::StripPrefix(name, "torch."));
      if (!dtype.ok()) return object->Error(key, dtype.status().message());
      config.stored_dtype = *dtype;
    }
  }
  return absl::OkStatus();
}

void AddUnique(const std::vector<int>& from, std::vector<int>& to) {
  for (int id : from) {
    bool known = false;
    for (int seen : to) known = known || seen == id;
    if (!known) to.push_back(id);
  }
}

absl::Status ReadEosTokens(const JsonObject& root, const JsonObject& text,
                           ModelConfig& config) {
  for (const JsonObject* object : {&root, &text}) {
    std::vector<int> ids;
    TANDEM_RETURN_IF_ERROR(
        object->ReadInts("eos_token_id", 0, config.text.vocab_size - 1, ids));
    AddUnique(ids, config.eos_token_ids);
  }
  return absl::OkStatus();
}

absl::Status ReadRoot(const JsonObject& root, ModelConfig& config) {
  std::string model_type;
  TANDEM_RETURN_IF_ERROR(root.ReadString("model_type", model_type));
  const bool custom = model_type == "internvl_chat";
  if (!custom && model_type != "internvl") {
    return root.Error(
        "model_type",
        absl::StrCat("is \"", model_type,
                     "\"; supported are internvl_chat, internvl"));
  }
  TANDEM_RETURN_IF_ERROR(CheckUniversal(root));
  TANDEM_RETURN_IF_ERROR(custom ? ReadCustom(root, config)
                                : ReadHf(root, config));
  TANDEM_ASSIGN_OR_RETURN(const JsonObject text,
                          root.Object(custom ? "llm_config" : "text_config"));
  TANDEM_ASSIGN_OR_RETURN(config.text, ReadText(text));
  TANDEM_RETURN_IF_ERROR(ReadDownsampleRatio(root, config));
  TANDEM_RETURN_IF_ERROR(ReadStoredDType(root, text, config));
  TANDEM_RETURN_IF_ERROR(ReadEosTokens(root, text, config));
  std::string system_message;
  TANDEM_RETURN_IF_ERROR(root.ReadString("system_message", system_message));
  if (root.Find("system_message") != nullptr) {
    config.system_message = std::move(system_message);
  }
  return absl::OkStatus();
}

template <typename T, typename Read>
absl::Status ReadOptional(const JsonObject& object, absl::string_view key,
                          absl::optional<T>& out, Read read) {
  if (object.Find(key) == nullptr) return absl::OkStatus();
  T value{};
  TANDEM_RETURN_IF_ERROR(read(value));
  out = value;
  return absl::OkStatus();
}

absl::Status ReadOptionalInt(const JsonObject& object, absl::string_view key,
                             int min, absl::optional<int>& out) {
  return ReadOptional(object, key, out, [&](int& value) {
    return object.ReadInt(key, min, INT32_MAX, value);
  });
}

absl::Status ReadOptionalFloat(const JsonObject& object, absl::string_view key,
                               double min, double max,
                               absl::optional<float>& out) {
  return ReadOptional(object, key, out, [&](float& value) {
    return ReadFloat(object, key, min, max, value);
  });
}

absl::Status ReadGeneration(const JsonObject& object, int vocab_size,
                            GenerationConfig& out) {
  TANDEM_RETURN_IF_ERROR(ReadOptional(
      object, "do_sample", out.do_sample,
      [&](bool& value) { return object.ReadBool("do_sample", value); }));
  TANDEM_RETURN_IF_ERROR(
      ReadOptionalFloat(object, "temperature", 0, 100, out.temperature));
  TANDEM_RETURN_IF_ERROR(
      ReadOptionalFloat(object, "top_p", 1e-6, 1, out.top_p));
  TANDEM_RETURN_IF_ERROR(ReadOptionalFloat(object, "min_p", 0, 1, out.min_p));
  TANDEM_RETURN_IF_ERROR(ReadOptionalFloat(object, "repetition_penalty", 1e-6,
                                           10, out.repetition_penalty));
  TANDEM_RETURN_IF_ERROR(ReadOptionalInt(object, "top_k", 0, out.top_k));
  TANDEM_RETURN_IF_ERROR(
      ReadOptionalInt(object, "max_new_tokens", 1, out.max_new_tokens));
  return object.ReadInts("eos_token_id", 0, vocab_size - 1, out.eos_token_ids);
}

}  // namespace

int ModelConfig::tokens_per_tile() const {
  const int side =
      static_cast<int>(vision.patches_per_side() * downsample_ratio);
  return side * side;
}

int ModelConfig::projector_input_size() const {
  return static_cast<int>(vision.hidden_size /
                          (downsample_ratio * downsample_ratio));
}

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& directory) {
  const std::string path = directory + "/config.json";
  TANDEM_ASSIGN_OR_RETURN(const json root, ReadJsonFile(path, kMaxConfigBytes));
  ModelConfig config;
  TANDEM_RETURN_IF_ERROR(ReadRoot(JsonObject(root, path, ""), config));

  const std::string generation_path = directory + "/generation_config.json";
  const auto generation = ReadJsonFile(generation_path, kMaxConfigBytes);
  if (absl::IsNotFound(generation.status())) return config;
  TANDEM_RETURN_IF_ERROR(generation.status());
  TANDEM_RETURN_IF_ERROR(
      ReadGeneration(JsonObject(*generation, generation_path, ""),
                     config.text.vocab_size, config.generation));
  return config;
}

}  // namespace tandem
