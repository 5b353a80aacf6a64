#include "common/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"
#include "tests/common/test_files.h"

namespace tandem {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// What InternVL3-8B's two config.json say, as far as it concerns us.
json CustomConfig() {
  return json::parse(R"({
    "architectures": ["InternVLChatModel"], "model_type": "internvl_chat",
    "downsample_ratio": 0.5, "dynamic_image_size": true,
    "force_image_size": 448, "max_dynamic_patch": 12, "ps_version": "v2",
    "select_layer": -1, "system_message": null, "torch_dtype": "bfloat16",
    "use_thumbnail": true,
    "llm_config": {"architectures": ["Qwen2ForCausalLM"], "eos_token_id": 151643,
      "hidden_act": "silu", "hidden_size": 3584, "intermediate_size": 18944,
      "max_position_embeddings": 32768, "model_type": "qwen2",
      "moe_config": null, "num_attention_heads": 28, "num_hidden_layers": 28,
      "num_key_value_heads": 4, "rms_norm_eps": 1e-06,
      "rope_scaling": {"factor": 2.0, "rope_type": "dynamic", "type": "dynamic"},
      "rope_theta": 1000000.0, "sliding_window": null,
      "use_sliding_window": false, "vocab_size": 151674},
    "vision_config": {"hidden_act": "gelu", "hidden_size": 1024,
      "image_size": 448, "intermediate_size": 4096, "layer_norm_eps": 1e-06,
      "model_type": "intern_vit_6b", "norm_type": "layer_norm",
      "num_attention_heads": 16, "num_channels": 3, "num_hidden_layers": 24,
      "patch_size": 14, "qk_normalization": false, "qkv_bias": true,
      "use_moe": false}})");
}

json HfConfig() {
  json config = CustomConfig();
  json text = config["llm_config"];
  text["eos_token_id"] = 151645;
  text.erase("architectures");
  return {{"model_type", "internvl"},
          {"torch_dtype", "bfloat16"},
          {"image_token_id", 151667},
          {"text_config", text},
          {"vision_config",
           {{"model_type", "internvl_vision"},
            {"attention_bias", true},
            {"image_size", {448, 448}},
            {"patch_size", {14, 14}}}}};
}

absl::StatusOr<ModelConfig> Read(const json& config,
                                 const std::string& generation = "") {
  const TempDirectory directory;
  directory.Write("config.json", config.dump());
  if (!generation.empty()) {
    directory.Write("generation_config.json", generation);
  }
  return ReadModelConfig(directory.path());
}

TEST(ModelConfigTest, ReadsTheCustomLayout) {
  const auto config = Read(CustomConfig());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->layout, Layout::kCustom);
  EXPECT_EQ(config->vision.hidden_size, 1024);
  EXPECT_EQ(config->vision.num_layers, 24);
  EXPECT_EQ(config->vision.head_dim(), 64);
  EXPECT_EQ(config->vision.num_positions(), 1025);
  EXPECT_FALSE(config->vision.rms_norm);
  EXPECT_TRUE(config->vision.qkv_bias);
  EXPECT_FALSE(config->vision.qk_norm);
  EXPECT_EQ(config->text.hidden_size, 3584);
  EXPECT_EQ(config->text.num_kv_heads, 4);
  EXPECT_EQ(config->text.head_dim, 128);
  EXPECT_EQ(config->text.vocab_size, 151674);
  EXPECT_EQ(config->text.max_positions, 32768);
  EXPECT_EQ(config->text.rope_theta, 1e6);
  EXPECT_EQ(config->tokens_per_tile(), 256);
  EXPECT_EQ(config->projector_input_size(), 4096);
  EXPECT_EQ(config->stored_dtype, DType::kBFloat16);
  EXPECT_EQ(config->max_tiles, 12);
  EXPECT_FALSE(config->system_message.has_value());
  EXPECT_THAT(config->eos_token_ids, testing::ElementsAre(151643));
}

TEST(ModelConfigTest, BothLayoutsMeanTheSameModel) {
  const auto custom = Read(CustomConfig());
  const auto hf = Read(HfConfig());
  ASSERT_TRUE(hf.ok()) << hf.status();
  EXPECT_EQ(hf->layout, Layout::kHf);
  EXPECT_EQ(hf->vision.hidden_size, custom->vision.hidden_size);
  EXPECT_EQ(hf->vision.num_layers, custom->vision.num_layers);
  EXPECT_EQ(hf->vision.num_heads, custom->vision.num_heads);
  EXPECT_EQ(hf->vision.intermediate_size, custom->vision.intermediate_size);
  EXPECT_EQ(hf->vision.image_size, custom->vision.image_size);
  EXPECT_EQ(hf->vision.qkv_bias, custom->vision.qkv_bias);
  EXPECT_EQ(hf->vision.qk_norm, custom->vision.qk_norm);
  EXPECT_EQ(hf->vision.rms_norm, custom->vision.rms_norm);
  EXPECT_EQ(hf->text.head_dim, custom->text.head_dim);
  EXPECT_THAT(hf->eos_token_ids, testing::ElementsAre(151645));
}

// The custom code's own defaults are the large vision tower's.
TEST(ModelConfigTest, MissingVisionKeysMeanTheLargeTower) {
  json config = CustomConfig();
  config["vision_config"] = {{"image_size", 448}, {"num_hidden_layers", 45}};
  const auto read = Read(config);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->vision.hidden_size, 3200);
  EXPECT_EQ(read->vision.num_heads, 25);
  EXPECT_EQ(read->vision.intermediate_size, 12800);
  EXPECT_TRUE(read->vision.rms_norm);
  EXPECT_TRUE(read->vision.qk_norm);
  EXPECT_FALSE(read->vision.qkv_bias);
  EXPECT_EQ(read->projector_input_size(), 12800);
}

TEST(ModelConfigTest, ReadsTheSpellingOfTransformers5) {
  json config = HfConfig();
  config["text_config"].erase("rope_theta");
  config["text_config"].erase("rope_scaling");
  config["text_config"]["rope_parameters"] = {{"rope_theta", 5e5},
                                              {"rope_type", "default"}};
  config.erase("torch_dtype");
  config["dtype"] = "float32";
  const auto read = Read(config);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->text.rope_theta, 5e5);
  EXPECT_EQ(read->stored_dtype, DType::kFloat32);
}

TEST(ModelConfigTest, HeadDimMayBeGiven) {
  json config = HfConfig();
  config["text_config"]["head_dim"] = 96;
  const auto read = Read(config);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->text.head_dim, 96);
}

TEST(ModelConfigTest, ReadsTilingAndSystemText) {
  json config = CustomConfig();
  config["max_dynamic_patch"] = 6;
  config["system_message"] = "Be brief.";
  const auto read = Read(config);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->max_tiles, 6);
  EXPECT_EQ(read->system_message, "Be brief.");
  config["dynamic_image_size"] = false;
  EXPECT_EQ(Read(config)->max_tiles, 1);
}

TEST(ModelConfigTest, TilingKeysMayBeMissing) {
  json config = CustomConfig();
  for (const char* key : {"max_dynamic_patch", "min_dynamic_patch",
                          "use_thumbnail", "pad2square"}) {
    config.erase(key);
  }
  const auto read = Read(config);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->max_tiles, 12);
}

TEST(ModelConfigTest, ReadsWhatGenerationConfigSays) {
  const auto read = Read(CustomConfig(),
                         R"({"do_sample": true, "temperature": 0.7,
                             "top_p": 0.9, "top_k": 40, "max_new_tokens": 99,
                             "repetition_penalty": 1.05, "min_p": 0.05,
                             "eos_token_id": [151645, 151643]})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->generation.do_sample, true);
  EXPECT_EQ(read->generation.temperature, 0.7f);
  EXPECT_EQ(read->generation.top_p, 0.9f);
  EXPECT_EQ(read->generation.top_k, 40);
  EXPECT_EQ(read->generation.min_p, 0.05f);
  EXPECT_EQ(read->generation.max_new_tokens, 99);
  EXPECT_EQ(read->generation.repetition_penalty, 1.05f);
  EXPECT_THAT(read->generation.eos_token_ids,
              testing::ElementsAre(151645, 151643));
}

TEST(ModelConfigTest, GenerationConfigMayBeMissingOrSayNothing) {
  EXPECT_FALSE(Read(CustomConfig())->generation.do_sample.has_value());
  const auto read = Read(CustomConfig(), R"({"temperature": null})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_FALSE(read->generation.temperature.has_value());
}

TEST(ModelConfigTest, BrokenGenerationConfigIsNamed) {
  const auto read = Read(CustomConfig(), R"({"top_p": 1.5})");
  EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(read.status().message()),
              HasSubstr("generation_config.json: top_p is 1.5"));
}

TEST(ModelConfigTest, MissingFileIsNotFound) {
  const TempDirectory directory;
  const auto read = ReadModelConfig(directory.path());
  EXPECT_EQ(read.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("config.json"));
}

// A change to a good configuration, as a JSON merge patch, and the words with
// which it is refused.
struct Refusal {
  std::string name, patch, message;
  friend std::ostream& operator<<(std::ostream& os, const Refusal& c) {
    return os << c.name;
  }
};
class CustomRefusalTest : public testing::TestWithParam<Refusal> {};
class HfRefusalTest : public testing::TestWithParam<Refusal> {};

void ExpectRefused(json config, const Refusal& c) {
  config.merge_patch(json::parse(c.patch));
  const auto read = Read(config);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(read.status().message()),
              testing::AllOf(HasSubstr("config.json: "), HasSubstr(c.message)));
}

TEST_P(CustomRefusalTest, NamesFileAndKey) {
  ExpectRefused(CustomConfig(), GetParam());
}
TEST_P(HfRefusalTest, NamesFileAndKey) {
  ExpectRefused(HfConfig(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Keys, CustomRefusalTest,
    testing::Values(
        Refusal{"Model", R"({"model_type": "llava"})",
                "model_type is \"llava\""},
        Refusal{"NoModel", R"({"model_type": null})", "model_type is \"\""},
        Refusal{
            "InternLm2",
            R"({"llm_config": {"architectures": ["InternLM2ForCausalLM"]}})",
            "llm_config.architectures is [\"InternLM2ForCausalLM\"]"},
        Refusal{"Qwen3", R"({"llm_config": {"model_type": "qwen3"}})",
                "llm_config.model_type is \"qwen3\""},
        Refusal{"PixelShuffle1", R"({"ps_version": "v1"})",
                "ps_version is \"v1\""},
        Refusal{"PixelShuffleMissing", R"({"ps_version": null})",
                "ps_version is missing"},
        Refusal{"SelectLayer", R"({"select_layer": -2})", "select_layer is -2"},
        Refusal{"NoThumbnail", R"({"use_thumbnail": false})",
                "use_thumbnail is false"},
        Refusal{"Padding", R"({"pad2square": true})", "pad2square is true"},
        Refusal{"FewestTiles", R"({"min_dynamic_patch": 2})",
                "min_dynamic_patch is 2"},
        Refusal{"Flash", R"({"flash_mode": true})", "flash_mode is true"},
        Refusal{"Quantised",
                R"({"quantization_config": {"quant_method": "awq"}})",
                "quantization_config is present"},
        Refusal{"QuantisedInside",
                R"({"llm_config": {"quantization_config": {"bits": 4}}})",
                "llm_config.quantization_config is present"},
        Refusal{"SlidingWindow",
                R"({"llm_config": {"use_sliding_window": true}})",
                "llm_config.use_sliding_window is true"},
        Refusal{"Yarn", R"({"llm_config": {"rope_scaling": {"type": "yarn"}}})",
                "llm_config.rope_scaling.type is \"yarn\""},
        Refusal{"RopeType",
                R"({"llm_config": {"rope_scaling": {"rope_type": "llama3"}}})",
                "llm_config.rope_scaling.rope_type is \"llama3\""},
        Refusal{"TextActivation", R"({"llm_config": {"hidden_act": "gelu"}})",
                "llm_config.hidden_act is \"gelu\""},
        Refusal{"VisionActivation",
                R"({"vision_config": {"hidden_act": "quick_gelu"}})",
                "vision_config.hidden_act is \"quick_gelu\""},
        Refusal{"NormType", R"({"vision_config": {"norm_type": "batch_norm"}})",
                "vision_config.norm_type is \"batch_norm\""},
        Refusal{"Channels", R"({"vision_config": {"num_channels": 4}})",
                "vision_config.num_channels is 4"},
        Refusal{"ForcedSize", R"({"force_image_size": 224})",
                "force_image_size is 224 but vision_config.image_size is 448"},
        Refusal{"DefaultImageSize",
                R"({"vision_config": {"image_size": null}})",
                "force_image_size is 448 but vision_config.image_size is 224"},
        Refusal{"Downsample", R"({"downsample_ratio": 0.25})",
                "downsample_ratio is 0.25"},
        Refusal{
            "OddGrid",
            R"({"force_image_size": null, "vision_config": {"image_size": 434}})",
            "downsample_ratio is 0.5, which does not divide 31"},
        Refusal{"ZeroSize", R"({"vision_config": {"hidden_size": 0}})",
                "vision_config.hidden_size is 0, outside"},
        Refusal{"NegativeSize", R"({"llm_config": {"num_hidden_layers": -1}})",
                "llm_config.num_hidden_layers is -1"},
        Refusal{"HugeSize", R"({"llm_config": {"hidden_size": 4294967296}})",
                "llm_config.hidden_size is 4294967296, outside"},
        Refusal{"BeyondInt64",
                R"({"llm_config": {"vocab_size": 18446744073709551615}})",
                "llm_config.vocab_size is not an integer"},
        Refusal{"SizeIsText", R"({"llm_config": {"hidden_size": "3584"}})",
                "llm_config.hidden_size is not an integer"},
        Refusal{
            "VisionHeads", R"({"vision_config": {"num_attention_heads": 15}})",
            "vision_config.num_attention_heads is 15, which does not divide"},
        Refusal{"TextHeads", R"({"llm_config": {"num_attention_heads": 24}})",
                "llm_config.num_attention_heads is 24, which does not divide"},
        Refusal{"KvHeads", R"({"llm_config": {"num_key_value_heads": 5}})",
                "llm_config.num_key_value_heads is 5, which does not divide"},
        Refusal{"OddHead", R"({"llm_config": {"head_dim": 63}})",
                "llm_config.head_dim is 63, not a multiple of 2"},
        Refusal{"PatchSize", R"({"vision_config": {"patch_size": 15}})",
                "vision_config.patch_size is 15, which does not divide"},
        Refusal{"TooManyPatches", R"({"vision_config": {"patch_size": 1}})",
                "vision_config.image_size gives 448x448 patches"},
        Refusal{"Epsilon", R"({"llm_config": {"rms_norm_eps": 0}})",
                "llm_config.rms_norm_eps is 0, outside"},
        Refusal{"Theta", R"({"llm_config": {"rope_theta": -1}})",
                "llm_config.rope_theta is -1, outside"},
        Refusal{"EosBeyondVocabulary", R"({"eos_token_id": [5, 151674]})",
                "eos_token_id is 151674, outside"},
        Refusal{"DType", R"({"torch_dtype": "int8"})",
                "torch_dtype dtype \"int8\""},
        Refusal{"SystemMessage", R"({"system_message": 3})",
                "system_message is not a string"},
        Refusal{"Tiles", R"({"max_dynamic_patch": 41})",
                "max_dynamic_patch is 41, outside [1, 40]"},
        Refusal{"NoVision", R"({"vision_config": []})",
                "vision_config is not an object"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Keys, HfRefusalTest,
    testing::Values(
        Refusal{"Oblong", R"({"vision_config": {"image_size": [448, 224]}})",
                "vision_config.image_size is no square"},
        Refusal{"ThreeSides",
                R"({"vision_config": {"patch_size": [14, 14, 14]}})",
                "vision_config.patch_size is no square"},
        Refusal{"NoSides", R"({"vision_config": {"patch_size": []}})",
                "vision_config.patch_size is no square"},
        Refusal{"FeatureLayer", R"({"vision_feature_layer": -2})",
                "vision_feature_layer is -2"},
        Refusal{"KeepsClassToken",
                R"({"vision_feature_select_strategy": "full"})",
                "vision_feature_select_strategy is \"full\""},
        Refusal{"FinalNorm",
                R"({"vision_config": {"use_mean_pooling": false}})",
                "vision_config.use_mean_pooling is false"},
        Refusal{
            "NoPositions",
            R"({"vision_config": {"use_absolute_position_embeddings": false}})",
            "use_absolute_position_embeddings is false"},
        Refusal{"Projector", R"({"projector_hidden_act": "relu"})",
                "projector_hidden_act is \"relu\""},
        Refusal{"LayerTypes",
                R"({"text_config": {"layer_types": ["sliding_attention"]}})",
                "text_config.layer_types holds other than full_attention"},
        Refusal{"MixtureOfExperts",
                R"({"text_config": {"model_type": "qwen3_moe"}})",
                "text_config.model_type is \"qwen3_moe\""}),
    [](const auto& info) { return info.param.name; });

class TinyModelConfigTest : public testing::TestWithParam<std::string> {};

TEST_P(TinyModelConfigTest, ReadsTheReferenceModel) {
  const auto read =
      ReadModelConfig(std::string(TANDEM_TEST_DATA) + "/models/" + GetParam());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->tokens_per_tile(), 256);
  EXPECT_EQ(read->text.vocab_size, 512);
  EXPECT_EQ(read->vision.rms_norm, GetParam().starts_with("t2"));
  EXPECT_EQ(read->vision.qk_norm, GetParam().starts_with("t2"));
  EXPECT_EQ(read->vision.qkv_bias, GetParam().starts_with("t1"));
}
INSTANTIATE_TEST_SUITE_P(Models, TinyModelConfigTest,
                         testing::Values("t1-custom", "t1-hf", "t2-custom",
                                         "t2-hf"),
                         [](const auto& info) {
                           std::string name = info.param;
                           name[2] = '_';
                           return name;
                         });

}  // namespace
}  // namespace tandem
