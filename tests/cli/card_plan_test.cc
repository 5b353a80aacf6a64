#include "cli/card_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using testing::HasSubstr;

constexpr int64_t kGiB = int64_t{1} << 30;

// InternVL3-8B's language model and vision tower, in bfloat16.
ModelReport Report8B() {
  ModelReport report;
  report.dtype = DType::kBFloat16;
  TextConfig& text = report.config.text;
  text.hidden_size = 3584;
  text.num_layers = 28;
  text.num_heads = 28;
  text.num_kv_heads = 4;
  text.head_dim = 128;
  text.intermediate_size = 18944;
  text.vocab_size = 151674;
  text.max_positions = 32768;
  VisionConfig& vision = report.config.vision;
  vision.hidden_size = 1024;
  vision.num_layers = 24;
  vision.num_heads = 16;
  vision.intermediate_size = 4096;
  vision.patch_size = 14;
  vision.image_size = 448;
  vision.qkv_bias = true;
  return report;
}

CardPlan PlanOn(const std::vector<int64_t>& free_gib) {
  CardPlan plan = *PlanCards(Report8B());
  plan.cards.clear();
  for (size_t i = 0; i < free_gib.size(); ++i) {
    plan.cards.push_back({.device = "cuda:" + std::to_string(i),
                          .name = "A card",
                          .id = std::to_string(i),
                          .free_bytes = free_gib[i] * kGiB,
                          .total_bytes = 64 * kGiB});
  }
  return plan;
}

TEST(CardPlanTest, KnowsThePublishedSizes) {
  const CardPlan plan = PlanOn({});
  EXPECT_NEAR(static_cast<double>(plan.llm.weights) / kGiB, 14.18, 0.02);
  EXPECT_EQ(plan.llm.kv_block, 64 * 57344);
  EXPECT_EQ(plan.llm.kv_context, int64_t{32768} * 57344);
  EXPECT_NEAR(static_cast<double>(plan.vision.weights) / kGiB, 0.6, 0.05);
}

TEST(CardPlanTest, SaysWhatFitsOnEachCard) {
  const nlohmann::json plan =
      nlohmann::json::parse(PlanAsJson(PlanOn({63, 18, 1, 0})));
  const auto& cards = plan.at("cards");
  EXPECT_TRUE(cards.at(0).at("vision_fits").get<bool>());
  EXPECT_GT(cards.at(0).at("llm_kv_tokens").get<int64_t>(), 600'000);
  EXPECT_LT(cards.at(0).at("both_kv_tokens").get<int64_t>(),
            cards.at(0).at("llm_kv_tokens").get<int64_t>());
  EXPECT_EQ(cards.at(1).at("llm_kv_tokens").get<int64_t>(), 0);
  EXPECT_TRUE(cards.at(2).at("vision_fits").get<bool>());
  EXPECT_FALSE(cards.at(3).at("vision_fits").get<bool>());
}

TEST(CardPlanTest, TheTextSaysTheSame) {
  const std::string text = PlanAsText(PlanOn({63, 1}));
  for (const char* part :
       {"tandem-vision", "56.0 KiB a token", "cuda:0", "63.0 GiB free of 64.0",
        "tandem-llm fits, with a KV cache of", "tandem-llm DOES NOT FIT"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(PlanAsText(PlanOn({})), HasSubstr("cards           none"));
}

}  // namespace
}  // namespace tandem
