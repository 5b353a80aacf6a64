#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/model_tensors.h"
#include "common/weight_source.h"
#include "tests/common/test_files.h"
#include "tests/common/tiny_model.h"

namespace tandem {
namespace {

using testing::HasSubstr;

constexpr char kQkv[] = "vision_model.encoder.layers.0.attn.qkv.weight";

class CheckpointTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<WeightSource>> Open(
      WeightSet set = WeightSet::kAll) const {
    return OpenCheckpoint(directory_.path(), config_, set);
  }
  void Write(const WriteOptions& options = {}) const {
    WriteCheckpoint(directory_.path(), config_, *weights_, options);
  }
  void ExpectRefused(absl::StatusCode code, const std::string& text,
                     WeightSet set = WeightSet::kAll) const {
    const absl::Status status = Open(set).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()),
                testing::AllOf(HasSubstr(directory_.path()), HasSubstr(text)));
  }

  const TempDirectory directory_;
  ModelConfig config_ = TinyConfig();
  std::unique_ptr<WeightSource> weights_ = MakeRandomWeights(config_, 5);
};

TEST_F(CheckpointTest, GivesBackWhatWasWritten) {
  Write();
  const auto source = Open();
  ASSERT_TRUE(source.ok()) << source.status();
  for (const ModelTensor& tensor : ModelTensors(config_, WeightSet::kAll)) {
    EXPECT_TRUE((*source)->Has(tensor.name));
    EXPECT_EQ(*(*source)->Shape(tensor.name), tensor.shape);
    EXPECT_EQ(AllValues(**source, tensor.name),
              AllValues(*weights_, tensor.name))
        << tensor.name;
  }
}

TEST_F(CheckpointTest, SlicesAreSlicesOfTheWhole) {
  Write();
  const auto source = Open();
  ASSERT_TRUE(source.ok()) << source.status();
  const std::vector<float> whole = AllValues(**source, kQkv);
  std::vector<float> slice(5 * 8);
  ASSERT_TRUE(
      (*source)->ReadRows(kQkv, 6, 5, DType::kFloat32, slice.data()).ok());
  EXPECT_THAT(slice, testing::ElementsAreArray(whole.begin() + 6 * 8,
                                               whole.begin() + 11 * 8));
}

TEST_F(CheckpointTest, RowsOutsideTheTensorAreOutOfRange) {
  Write();
  const auto source = Open();
  ASSERT_TRUE(source.ok()) << source.status();
  float value = 0;
  for (const auto& [first, count] : {std::pair<int64_t, int64_t>{24, 1},
                                     {-1, 1},
                                     {0, 25},
                                     {0, -1},
                                     {INT64_MAX, 1},
                                     {1, INT64_MAX}}) {
    EXPECT_EQ(
        (*source)->ReadRows(kQkv, first, count, DType::kFloat32, &value).code(),
        absl::StatusCode::kOutOfRange);
  }
  EXPECT_EQ((*source)->ReadRows("none", 0, 1, DType::kFloat32, &value).code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CheckpointTest, TruncatedFileIsRefused) {
  Write();
  const std::string path = directory_.path() + "/model.safetensors";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  ExpectRefused(absl::StatusCode::kInvalidArgument, "beyond the file");
}

TEST_F(CheckpointTest, EmptyFolderHasNoCheckpoint) {
  ExpectRefused(absl::StatusCode::kNotFound, "neither model.safetensors");
}

TEST_F(CheckpointTest, MissingTensorIsNamed) {
  Write({.keep = [](const std::string& name) { return name != kQkv; }});
  ExpectRefused(absl::StatusCode::kFailedPrecondition, kQkv);
}

TEST_F(CheckpointTest, EachServiceNeedsItsOwnTensorsOnly) {
  Write({.keep = [](const std::string& name) { return IsVisionTensor(name); }});
  EXPECT_TRUE(Open(WeightSet::kVision).ok())
      << Open(WeightSet::kVision).status();
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "lacks",
                WeightSet::kLanguage);
  Write(
      {.keep = [](const std::string& name) { return !IsVisionTensor(name); }});
  const auto language = Open(WeightSet::kLanguage);
  ASSERT_TRUE(language.ok()) << language.status();
  EXPECT_EQ((*language)->VisionFingerprint().status().code(),
            absl::StatusCode::kNotFound);
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "lacks",
                WeightSet::kVision);
}

TEST_F(CheckpointTest, MissingHeadIsTheEmbeddingTable) {
  Write({.keep = [](const std::string& name) { return name != kLmHead; }});
  const auto source = Open();
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(AllValues(**source, kLmHead), AllValues(*weights_, kEmbedTokens));
}

TEST_F(CheckpointTest, AHeadOfItsOwnIsNotTied) {
  Write();
  const auto source = Open();
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_NE(AllValues(**source, kLmHead), AllValues(**source, kEmbedTokens));
}

// Tensors that would change the result, if they were known how to use.
TEST_F(CheckpointTest, TensorWithoutPlaceIsRefused) {
  Write({.rename = [](const std::string& name) {
    return name == kQkv ? std::string("vision_tower.layernorm.weight") : name;
  }});
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                "\"vision_tower.layernorm.weight\" has no place");
}

TEST_F(CheckpointTest, LayerBeyondTheConfigurationIsRefused) {
  Write();
  config_.text.num_layers = 1;
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "layers.1.");
}

TEST_F(CheckpointTest, OtherShapeIsRefused) {
  Write();
  config_.text.vocab_size = 21;
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                "is [20, 6]; config.json asks for [21, 6]");
}

TEST_F(CheckpointTest, OneTensorInTwoSpellingsIsRefused) {
  Write({.rename = [](const std::string& name) {
    return name == "mlp1.3.weight" ? std::string("lm_head.weight") : name;
  }});
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "is there twice");
}

TEST_F(CheckpointTest, IntegersAreNoWeights) {
  directory_.Write(
      "model.safetensors",
      SafetensorsBuilder().Add("mlp1.0.weight", "I32", {1}, "1234").Build());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "has dtype I32");
}

TEST_F(CheckpointTest, EmptyWeightIsRefused) {
  directory_.Write(
      "model.safetensors",
      SafetensorsBuilder().Add("mlp1.0.weight", "F32", {0}, "").Build());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "holds no values");
}

TEST_F(CheckpointTest, AScalarIsNoWeight) {
  directory_.Write(
      "model.safetensors",
      SafetensorsBuilder().Add("mlp1.0.weight", "F32", {}, "1234").Build());
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                "\"mlp1.0.weight\" is a scalar");
}

constexpr char kSplitPrefix[] = "vision_tower.encoder.layer.0.attention.";

TEST_F(CheckpointTest, SeparateQkvMustBeComplete) {
  directory_.Write(
      "model.safetensors",
      SafetensorsBuilder()
          .Add(absl::StrCat(kSplitPrefix, "q_proj.weight"), "F32", {1}, "1234")
          .Build());
  ExpectRefused(
      absl::StatusCode::kFailedPrecondition,
      "lacks one of q, k, v of vision_model.encoder.layers.0.attn.qkv");
}

TEST_F(CheckpointTest, SeparateQkvMustFitTogether) {
  directory_.Write(
      "model.safetensors",
      SafetensorsBuilder()
          .Add(absl::StrCat(kSplitPrefix, "q_proj.weight"), "F32", {1}, "1234")
          .Add(absl::StrCat(kSplitPrefix, "k_proj.weight"), "BF16", {2}, "1234")
          .Add(absl::StrCat(kSplitPrefix, "v_proj.weight"), "F32", {1}, "1234")
          .Build());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "do not fit together");
}

TEST_F(CheckpointTest, AScalarAmongSeparateQkvIsNamed) {
  for (const char* kind : {"weight", "bias"}) {
    for (const std::string scalar : {"q_proj", "k_proj", "v_proj"}) {
      SafetensorsBuilder builder;
      for (const char* part : {"q_proj", "k_proj", "v_proj"}) {
        std::vector<int64_t> shape;
        if (part != scalar) shape.push_back(1);
        builder.Add(absl::StrCat(kSplitPrefix, part, ".", kind), "F32", shape,
                    "1234");
      }
      directory_.Write("model.safetensors", builder.Build());
      ExpectRefused(absl::StatusCode::kFailedPrecondition,
                    absl::StrCat(scalar, ".", kind, "\" is a scalar"));
    }
  }
}

// Vision tensors in one shard, the language model in the other.
class ShardedTest : public CheckpointTest {
 protected:
  void SetUp() override {
    Write({.keep = IsVision, .file = kVisionShard});
    Write({.keep = [](const std::string& name) { return !IsVision(name); },
           .file = kLanguageShard});
    std::string entries;
    for (const ModelTensor& tensor : ModelTensors(config_, WeightSet::kAll)) {
      absl::StrAppend(
          &entries, entries.empty() ? "" : ",", "\"", tensor.name, "\":\"",
          IsVision(tensor.name) ? kVisionShard : kLanguageShard, "\"");
    }
    index_ = absl::StrCat(R"({"metadata":{},"weight_map":{)", entries, "}}");
    WriteIndex(index_);
  }
  static bool IsVision(const std::string& name) { return IsVisionTensor(name); }
  void WriteIndex(const std::string& text) const {
    directory_.Write("model.safetensors.index.json", text);
  }
  void Remove(const char* shard) const {
    std::filesystem::remove(directory_.path() + "/" + shard);
  }

  static constexpr char kVisionShard[] = "model-1-of-2.safetensors";
  static constexpr char kLanguageShard[] = "model-2-of-2.safetensors";
  std::string index_;
};

TEST_F(ShardedTest, ReadsAllShards) {
  const auto source = Open();
  ASSERT_TRUE(source.ok()) << source.status();
  for (const ModelTensor& tensor : ModelTensors(config_, WeightSet::kAll)) {
    EXPECT_EQ(AllValues(**source, tensor.name),
              AllValues(*weights_, tensor.name));
  }
}

TEST_F(ShardedTest, MissingShardIsNamed) {
  Remove(kVisionShard);
  ExpectRefused(absl::StatusCode::kNotFound, kVisionShard);
  ExpectRefused(absl::StatusCode::kNotFound, kVisionShard, WeightSet::kVision);
}

TEST_F(ShardedTest, VisionNeedsNoLanguageShard) {
  Remove(kLanguageShard);
  EXPECT_TRUE(Open(WeightSet::kVision).ok());
  ExpectRefused(absl::StatusCode::kNotFound, kLanguageShard);
}

TEST_F(ShardedTest, FingerprintIsThatOfOneFile) {
  const auto sharded = (*Open())->VisionFingerprint();
  Write();
  const auto single = (*Open())->VisionFingerprint();
  ASSERT_TRUE(sharded.ok());
  EXPECT_EQ(*sharded, *single);
}

TEST_F(ShardedTest, IndexMayNotLeaveTheFolder) {
  for (const char* name :
       {"../model-1-of-2.safetensors", "/model-1-of-2.safetensors",
        "a/../model-1-of-2.safetensors", "..", "", ".safetensors",
        "model-1-of-2.bin", "..\\\\model-1-of-2.safetensors",
        "model-1\\u0000.safetensors"}) {
    WriteIndex(absl::StrReplaceAll(index_, {{kVisionShard, name}}));
    ExpectRefused(absl::StatusCode::kInvalidArgument,
                  "no file name of a shard");
  }
}

TEST_F(ShardedTest, IndexAndShardsMustAgree) {
  WriteIndex(absl::StrReplaceAll(index_, {{"mlp1.3.bias", "mlp1.4.bias"}}));
  ExpectRefused(absl::StatusCode::kInvalidArgument,
                "\"mlp1.3.bias\" is not put here");
  WriteIndex(absl::StrReplaceAll(
      index_,
      {{"\"mlp1.3.bias\"", absl::StrCat("\"mlp1.4.bias\":\"", kVisionShard,
                                        "\",\"mlp1.3.bias\"")}}));
  ExpectRefused(absl::StatusCode::kInvalidArgument,
                "lacks tensor \"mlp1.4.bias\"");
}

TEST_F(ShardedTest, BrokenIndexIsNamed) {
  for (const char* text :
       {"", "[]", R"({"weight_map":[]})", R"({"weight_map":{}})",
        R"({"weight_map":{"a":1}})", R"({"weight_map":{"a":"b","a":"b"}})"}) {
    WriteIndex(text);
    ExpectRefused(absl::StatusCode::kInvalidArgument,
                  "model.safetensors.index.json");
  }
}

TEST_F(CheckpointTest, FingerprintSeesConfigurationAndBothEndsOfTensors) {
  Write();
  const std::string before = *(*Open())->VisionFingerprint();
  EXPECT_EQ(before.size(), 64u);
  EXPECT_EQ(*(*Open(WeightSet::kVision))->VisionFingerprint(), before);
  EXPECT_EQ(*(*Open(WeightSet::kLanguage))->VisionFingerprint(), before);

  weights_ = MakeRandomWeights(config_, 6);
  Write();
  EXPECT_NE(*(*Open())->VisionFingerprint(), before);

  weights_ = MakeRandomWeights(config_, 5);
  Write();
  EXPECT_EQ(*(*Open())->VisionFingerprint(), before);
  config_.vision.norm_epsilon = 1e-5f;
  EXPECT_NE(*(*Open())->VisionFingerprint(), before);
}

TEST_F(CheckpointTest, FingerprintIgnoresTheLanguageModel) {
  Write();
  const std::string before = *(*Open())->VisionFingerprint();
  Write({.keep = [](const std::string& name) { return name != kLmHead; }});
  EXPECT_EQ(*(*Open())->VisionFingerprint(), before);
}

class TinyCheckpointTest : public testing::TestWithParam<std::string> {};

// The two layouts of one model are the same tensors: names, fused q, k and v,
// tied head, shards and stored types aside.
TEST_P(TinyCheckpointTest, BothLayoutsHoldTheSameTensors) {
  const std::string base =
      absl::StrCat(TANDEM_TEST_DATA, "/models/", GetParam());
  const auto custom_config = ReadModelConfig(base + "-custom");
  const auto hf_config = ReadModelConfig(base + "-hf");
  ASSERT_TRUE(custom_config.ok()) << custom_config.status();
  ASSERT_TRUE(hf_config.ok()) << hf_config.status();
  const auto custom = OpenCheckpoint(base + "-custom", *custom_config);
  const auto hf = OpenCheckpoint(base + "-hf", *hf_config);
  ASSERT_TRUE(custom.ok()) << custom.status();
  ASSERT_TRUE(hf.ok()) << hf.status();
  for (const ModelTensor& tensor :
       ModelTensors(*custom_config, WeightSet::kAll)) {
    EXPECT_EQ(*(*hf)->Shape(tensor.name), tensor.shape) << tensor.name;
    EXPECT_EQ(AllValues(**hf, tensor.name), AllValues(**custom, tensor.name))
        << tensor.name;
  }
  for (WeightSet set : {WeightSet::kVision, WeightSet::kLanguage}) {
    const auto part = OpenCheckpoint(base + "-hf", *hf_config, set);
    ASSERT_TRUE(part.ok()) << part.status();
    EXPECT_EQ(*(*part)->VisionFingerprint(), *(*hf)->VisionFingerprint());
  }
}

// Rows that lie in q, k and v, converted or not.
TEST_P(TinyCheckpointTest, RowsAcrossSeparateQkv) {
  const std::string path =
      absl::StrCat(TANDEM_TEST_DATA, "/models/", GetParam(), "-hf");
  const auto config = ReadModelConfig(path);
  ASSERT_TRUE(config.ok()) << config.status();
  const auto source = OpenCheckpoint(path, *config);
  ASSERT_TRUE(source.ok()) << source.status();
  const int64_t width = config->vision.hidden_size;
  const std::vector<float> whole = AllValues(**source, kQkv);
  std::vector<float> slice((width + 2) * width);
  ASSERT_TRUE(
      (*source)
          ->ReadRows(kQkv, width - 1, width + 2, DType::kFloat32, slice.data())
          .ok());
  EXPECT_TRUE(std::equal(slice.begin(), slice.end(),
                         whole.begin() + (width - 1) * width));
}
INSTANTIATE_TEST_SUITE_P(Models, TinyCheckpointTest,
                         testing::Values("t1", "t2"),
                         [](const auto& info) { return info.param; });

TEST(ModelTensorsTest, CountsAreThoseOfThePublishedModels) {
  ModelConfig config = TinyConfig();
  config.vision.num_layers = 24;
  EXPECT_EQ(ModelTensors(config, WeightSet::kVision).size(), 340u + 6);
  config.text.num_layers = 28;
  EXPECT_EQ(ModelTensors(config, WeightSet::kAll).size(), 685u);
  config = TinyConfig(/*large_family=*/true);
  config.vision.num_layers = 45;
  config.text.num_layers = 80;
  EXPECT_EQ(ModelTensors(config, WeightSet::kVision).size(), 589u + 6);
  EXPECT_EQ(ModelTensors(config, WeightSet::kAll).size(), 1558u);
}

}  // namespace
}  // namespace tandem
