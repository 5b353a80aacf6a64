#include "llm_service/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "common/errors.h"
#include "llm_service/philox.h"

namespace tandem {
namespace {

using testing::ElementsAre;

// Known answers of the authors' Random123 1.14, kat_vectors.
TEST(PhiloxTest, GivesTheKnownAnswers) {
  EXPECT_THAT(Philox4x32({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(Philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                         {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(PhiloxTest, UniformIsInRangeAndEven) {
  double sum = 0;
  for (uint64_t i = 0; i < 20000; ++i) {
    const double u = PhiloxUniform(/*seed=*/7, i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
  }
  EXPECT_NEAR(sum / 20000, 0.5, 0.01);
  EXPECT_NE(PhiloxUniform(7, 0), PhiloxUniform(8, 0));
  EXPECT_NE(PhiloxUniform(7, 0), PhiloxUniform(7ull + (1ull << 32), 0));
}

std::vector<float> RandomLogits(size_t size, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> logits(size);
  for (float& x : logits) x = normal(generator);
  return logits;
}

TEST(ArgMaxTest, TakesTheLowestIdAmongEquals) {
  EXPECT_EQ(ArgMax({1.0f, 3.0f, 3.0f, 2.0f}), 1);
  EXPECT_EQ(ArgMax({-5.0f}), 0);
}

// The definition, with a full sort: ids that may be drawn and their weights.
std::vector<std::pair<int, double>> Allowed(const std::vector<float>& logits,
                                            const SamplingParams& params) {
  std::vector<int> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int a, int b) { return logits[a] > logits[b]; });
  size_t count = ids.size();
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < count) {
    const float kth = logits[ids[params.top_k - 1]];
    count = params.top_k;
    while (count < ids.size() && logits[ids[count]] == kth) ++count;
  }
  const auto weight = [&](int id) {
    return std::exp((logits[id] - logits[ids[0]]) / params.temperature);
  };
  double total = 0, sum = 0;
  for (size_t i = 0; i < count; ++i) total += weight(ids[i]);
  std::vector<std::pair<int, double>> allowed;
  for (size_t i = 0; i < count; ++i) {
    if (sum >= params.top_p * total && params.top_p < 1) break;
    sum += weight(ids[i]);
    if (weight(ids[i]) >= params.min_p) {
      allowed.emplace_back(ids[i], weight(ids[i]));
    }
  }
  return allowed;
}

struct DrawCase {
  float temperature, top_p;
  int top_k;
  float min_p;
};

TEST(DrawTest, DrawsFromTheAllowedTokensInProportion) {
  const std::vector<float> logits = RandomLogits(500, 3);
  for (const DrawCase& c :
       {DrawCase{1, 1, 0, 0}, DrawCase{0.7f, 0.95f, 0, 0},
        DrawCase{1, 1, 10, 0}, DrawCase{1.5f, 0.5f, 40, 0},
        DrawCase{1, 1, 0, 0.1f}, DrawCase{2, 0.9f, 100, 0.02f},
        DrawCase{0.01f, 0.9f, 0, 0}, DrawCase{1, 1e-6f, 0, 0},
        DrawCase{2, 0.9999f, 0, 0}}) {
    SamplingParams params;
    params.temperature = c.temperature;
    params.top_p = c.top_p;
    params.top_k = c.top_k;
    params.min_p = c.min_p;
    const auto allowed = Allowed(logits, params);
    double total = 0;
    for (const auto& [id, weight] : allowed) total += weight;
    std::vector<int> drawn(logits.size());
    constexpr int kDraws = 4000;
    for (int i = 0; i < kDraws; ++i) {
      ++drawn[Draw(logits, params, (i + 0.5) / kDraws)];
    }
    int seen = 0;
    for (const auto& [id, weight] : allowed) {
      // Evenly spaced uniforms meet each share to a draw or two.
      EXPECT_NEAR(drawn[id], kDraws * weight / total, 2)
          << "token " << id << ", top_p " << c.top_p << ", top_k " << c.top_k;
      seen += drawn[id];
    }
    EXPECT_EQ(seen, kDraws);
  }
}

TEST(DrawTest, TiesWithTheKthAreKept) {
  SamplingParams params;
  params.top_k = 2;
  const std::vector<float> logits = {1, 3, 1, 1, 0};
  EXPECT_EQ(Draw(logits, params, 0.999), 3);
}

TEST(DrawTest, NeverDrawsAMaskedToken) {
  const float never = -std::numeric_limits<float>::infinity();
  SamplingParams params;
  for (const float top_p : {1.0f, 0.999f}) {
    params.top_p = top_p;
    for (const double u : {0.0, 0.5, 0.999999}) {
      EXPECT_EQ(Draw({never, 1.0f, never}, params, u), 1);
    }
  }
}

TEST(SequenceSamplerTest, GreedyTakesTheBest) {
  SamplingParams params;
  params.temperature = 0;
  SequenceSampler sampler(params, {});
  EXPECT_EQ(sampler.Sample({0.0f, 2.0f, 1.0f}).token_id, 1);
  EXPECT_EQ(sampler.num_generated(), 1u);
}

TEST(SequenceSamplerTest, PenaltiesCountGeneratedTokensAlone) {
  SamplingParams params;
  params.temperature = 0;
  params.repetition_penalty = 2;
  SequenceSampler sampler(params, {});
  const std::vector<float> logits = {-1.0f, 3.0f, 2.0f};
  EXPECT_EQ(sampler.Sample(logits).token_id, 1);  // then 3 / 2
  EXPECT_EQ(sampler.Sample(logits).token_id, 2);  // then 2 / 2
  EXPECT_EQ(sampler.Sample(logits).token_id, 1);
  // A negative logit is multiplied: -1 becomes -2.
  SequenceSampler negative(params, {0});
  EXPECT_EQ(negative.Sample({-1.0f, -1.5f}).token_id, 1);
}

TEST(SequenceSamplerTest, PresenceCountsOnceFrequencyEachTime) {
  SamplingParams params;
  params.temperature = 0;
  params.presence_penalty = 1;
  EXPECT_EQ(SequenceSampler(params, {0, 0, 0}).Sample({2.5f, 1.0f}).token_id,
            0);
  EXPECT_EQ(SequenceSampler(params, {0}).Sample({1.5f, 1.0f}).token_id, 1);
  params.presence_penalty = 0;
  params.frequency_penalty = 1;
  EXPECT_EQ(SequenceSampler(params, {0}).Sample({2.5f, 1.0f}).token_id, 0);
  EXPECT_EQ(SequenceSampler(params, {0, 0}).Sample({2.5f, 1.0f}).token_id, 1);
}

TEST(SequenceSamplerTest, RepetitionComesBeforePresence) {
  SamplingParams params;
  params.temperature = 0;
  params.repetition_penalty = 2;
  params.presence_penalty = 1;
  // 4 / 2 - 1 = 1 loses to 1.2; (4 - 1) / 2 = 1.5 would win.
  EXPECT_EQ(SequenceSampler(params, {0}).Sample({4.0f, 1.2f}).token_id, 1);
}

TEST(SequenceSamplerTest, BiasMovesATokenAndIgnoresForeignIds) {
  SamplingParams params;
  params.temperature = 0;
  params.logit_bias = {{2, 100.0f}, {900, 100.0f}, {-1, 100.0f}};
  EXPECT_EQ(SequenceSampler(params, {}).Sample({5.0f, 4.0f, -50.0f}).token_id,
            2);
}

TEST(SequenceSamplerTest, StopTokensWaitForMinTokens) {
  SamplingParams params;
  params.temperature = 0;
  params.min_tokens = 2;
  params.stop_token_ids = {1};
  SequenceSampler sampler(params, {});
  const std::vector<float> logits = {0, 9, 1};
  EXPECT_EQ(sampler.Sample(logits).token_id, 2);
  EXPECT_EQ(sampler.Sample(logits).token_id, 2);
  EXPECT_EQ(sampler.Sample(logits).token_id, 1);
}

TEST(SequenceSamplerTest, LogProbsAreThoseOfTheRawLogits) {
  SamplingParams params;
  params.temperature = 0;
  params.logit_bias = {{0, 100.0f}};
  params.num_logprobs = 2;
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f)};
  const SampledToken token = SequenceSampler(params, {}).Sample(logits);
  EXPECT_EQ(token.token_id, 0);
  EXPECT_NEAR(token.logprob, std::log(1.0 / 8), 1e-6);
  ASSERT_EQ(token.top.size(), 2u);
  EXPECT_EQ(token.top[0].first, 2);
  EXPECT_NEAR(token.top[0].second, std::log(5.0 / 8), 1e-6);
  EXPECT_EQ(token.top[1].first, 1);
}

TEST(SequenceSamplerTest, NoLogProbsUnlessAsked) {
  SamplingParams params;
  EXPECT_TRUE(SequenceSampler(params, {}).Sample({1.0f, 2.0f}).top.empty());
  params.num_logprobs = 0;
  const SampledToken token = SequenceSampler(params, {}).Sample({1.0f, 1.0f});
  EXPECT_TRUE(token.top.empty());
  EXPECT_NEAR(token.logprob, std::log(0.5), 1e-6);
}

TEST(SequenceSamplerTest, ASeedGivesTheSameTokensAlsoAfterAPause) {
  SamplingParams params;
  params.seed = 42;
  params.frequency_penalty = 0.3f;
  SequenceSampler sampler(params, {});
  std::vector<int> tokens;
  for (int i = 0; i < 20; ++i) {
    tokens.push_back(sampler.Sample(RandomLogits(100, i)).token_id);
  }
  SequenceSampler resumed(params, absl::MakeSpan(tokens).subspan(0, 8));
  for (int i = 8; i < 20; ++i) {
    EXPECT_EQ(resumed.Sample(RandomLogits(100, i)).token_id, tokens[i]);
  }
  params.seed = 43;
  SequenceSampler other(params, {});
  std::vector<int> others;
  for (int i = 0; i < 20; ++i) {
    others.push_back(other.Sample(RandomLogits(100, i)).token_id);
  }
  EXPECT_NE(others, tokens);
}

TEST(SequenceSamplerTest, ABrokenLogitIsANumericFault) {
  SequenceSampler sampler(SamplingParams{}, {});
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    const SampledToken token = sampler.Sample({1.0f, bad});
    EXPECT_EQ(token.status.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(ErrorReason(token.status), reason::kNumericFault);
    EXPECT_EQ(token.token_id, -1);
  }
  EXPECT_EQ(sampler.num_generated(), 0u);
}

}  // namespace
}  // namespace tandem
