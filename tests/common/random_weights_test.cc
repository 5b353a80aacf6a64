#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "common/convert_values.h"
#include "common/model_tensors.h"
#include "common/weight_source.h"
#include "tests/common/tiny_model.h"

namespace tandem {
namespace {

constexpr char kEmbeddings[] = "language_model.model.embed_tokens.weight";
constexpr char kUp[] = "language_model.model.layers.0.mlp.up_proj.weight";

TEST(RandomWeightsTest, TheSeedDecides) {
  const ModelConfig config = TinyConfig();
  const auto a = MakeRandomWeights(config, 1);
  const auto again = MakeRandomWeights(config, 1);
  const auto b = MakeRandomWeights(config, 2);
  EXPECT_EQ(AllValues(*a, kUp), AllValues(*again, kUp));
  EXPECT_NE(AllValues(*a, kUp), AllValues(*b, kUp));
  EXPECT_EQ(*a->VisionFingerprint(), *again->VisionFingerprint());
  EXPECT_NE(*a->VisionFingerprint(), *b->VisionFingerprint());
}

TEST(RandomWeightsTest, TensorsDiffer) {
  const auto weights = MakeRandomWeights(TinyConfig(), 1);
  EXPECT_NE(
      AllValues(*weights, kUp),
      AllValues(*weights, "language_model.model.layers.1.mlp.up_proj.weight"));
}

TEST(RandomWeightsTest, SlicesDoNotMatter) {
  ModelConfig config = TinyConfig();
  config.text.hidden_size = 700;  // rows beside the run of the generator
  const auto weights = MakeRandomWeights(config, 3);
  const std::vector<float> whole = AllValues(*weights, kEmbeddings);
  for (int64_t row = 0; row < config.text.vocab_size; ++row) {
    std::vector<float> one(700);
    ASSERT_TRUE(
        weights->ReadRows(kEmbeddings, row, 1, DType::kFloat32, one.data())
            .ok());
    EXPECT_TRUE(std::equal(one.begin(), one.end(), whole.begin() + row * 700));
  }
}

TEST(RandomWeightsTest, BFloat16IsTheRoundedFloat32) {
  const auto weights = MakeRandomWeights(TinyConfig(), 3);
  const std::vector<float> wide = AllValues(*weights, kUp);
  std::vector<uint16_t> got(wide.size()), want(wide.size());
  ASSERT_TRUE(weights->ReadRows(kUp, 0, 10, DType::kBFloat16, got.data()).ok());
  ConvertValues(wide.data(), DType::kFloat32, wide.size(), DType::kBFloat16,
                want.data());
  EXPECT_EQ(got, want);
}

TEST(RandomWeightsTest, HasTheSizeOfRealWeights) {
  ModelConfig config = TinyConfig();
  config.text.vocab_size = 20000;
  const auto weights = MakeRandomWeights(config, 4);
  double sum = 0, squares = 0;
  const std::vector<float> values = AllValues(*weights, kEmbeddings);
  for (float value : values) {
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / values.size(), 0, 0.0005);
  EXPECT_NEAR(std::sqrt(squares / values.size()), 0.02, 0.0005);
  for (const char* norm : {"mlp1.0.weight", "language_model.model.norm.weight",
                           "vision_model.encoder.layers.0.norm1.weight"}) {
    for (float value : AllValues(*weights, norm)) {
      EXPECT_NEAR(value, 1, 0.1001) << norm;
    }
  }
}

TEST(RandomWeightsTest, WrongNamesAndRowsAreErrors) {
  const auto weights = MakeRandomWeights(TinyConfig(), 1);
  float value = 0;
  EXPECT_FALSE(weights->Has("none"));
  EXPECT_EQ(weights->Shape("none").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(weights->ReadRows("none", 0, 1, DType::kFloat32, &value).code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(weights->ReadRows(kUp, 10, 1, DType::kFloat32, &value).code(),
            absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace tandem
