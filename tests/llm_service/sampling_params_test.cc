#include "llm_service/sampling_params.h"

#include <cmath>
#include <functional>
#include <limits>
#include <ostream>
#include <string>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

SamplingDefaults Defaults() {
  SamplingDefaults defaults;
  defaults.vocab_size = 100;
  defaults.stop_token_ids = {90, 91};
  return defaults;
}

SamplingPlan Plan(const v1::Sampling& sampling,
                  const SamplingDefaults& defaults = Defaults()) {
  const auto plan = PlanSampling(sampling, defaults);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *plan;
}

TEST(PlanSampling, FillsDefaultsOfTheProtocol) {
  const SamplingPlan plan = Plan({});
  EXPECT_EQ(plan.params.temperature, 1);
  EXPECT_EQ(plan.params.top_p, 1);
  EXPECT_EQ(plan.params.top_k, 0);
  EXPECT_EQ(plan.params.min_p, 0);
  EXPECT_EQ(plan.params.repetition_penalty, 1);
  EXPECT_EQ(plan.params.num_logprobs, -1);
  EXPECT_FALSE(plan.max_tokens.has_value());
  EXPECT_FALSE(plan.max_tokens_default.has_value());
  EXPECT_THAT(plan.params.stop_token_ids, ElementsAre(90, 91));
}

TEST(PlanSampling, TakesWhatTheModelSaysWhereTheRequestIsSilent) {
  SamplingDefaults defaults = Defaults();
  defaults.generation.temperature = 0.7f;
  defaults.generation.top_p = 0.95f;
  defaults.generation.top_k = 50;
  defaults.generation.min_p = 0.1f;
  defaults.generation.repetition_penalty = 1.1f;
  defaults.generation.max_new_tokens = 1024;
  const SamplingPlan plan = Plan({}, defaults);
  EXPECT_EQ(plan.params.temperature, 0.7f);
  EXPECT_EQ(plan.params.top_p, 0.95f);
  EXPECT_EQ(plan.params.top_k, 50);
  EXPECT_EQ(plan.params.min_p, 0.1f);
  EXPECT_EQ(plan.params.repetition_penalty, 1.1f);
  EXPECT_EQ(plan.max_tokens_default, 1024);

  v1::Sampling sampling;
  sampling.set_temperature(0.1f);
  sampling.set_top_p(1);
  sampling.set_top_k(0);
  sampling.set_min_p(0);
  sampling.set_repetition_penalty(1);
  sampling.set_max_tokens(5);
  const SamplingPlan own = Plan(sampling, defaults);
  EXPECT_EQ(own.params.temperature, 0.1f);
  EXPECT_EQ(own.params.top_p, 1);
  EXPECT_EQ(own.params.top_k, 0);
  EXPECT_EQ(own.params.min_p, 0);
  EXPECT_EQ(own.params.repetition_penalty, 1);
  EXPECT_EQ(own.max_tokens, 5);
  EXPECT_FALSE(own.max_tokens_default.has_value());
}

TEST(PlanSampling, IsGreedyWhereTheModelDoesNotSample) {
  SamplingDefaults defaults = Defaults();
  defaults.generation.do_sample = false;
  defaults.generation.temperature = 0.7f;
  EXPECT_TRUE(Plan({}, defaults).params.greedy());
  v1::Sampling sampling;
  sampling.set_temperature(0.5f);
  EXPECT_EQ(Plan(sampling, defaults).params.temperature, 0.5f);
}

TEST(PlanSampling, JoinsStopTokensAndDropsTheModelsOnRequest) {
  v1::Sampling sampling;
  sampling.add_stop_token_ids(3);
  sampling.add_stop_token_ids(91);
  EXPECT_THAT(Plan(sampling).params.stop_token_ids, ElementsAre(3, 90, 91));
  sampling.set_ignore_eos(true);
  EXPECT_THAT(Plan(sampling).params.stop_token_ids, ElementsAre(3, 91));
  sampling.clear_stop_token_ids();
  EXPECT_THAT(Plan(sampling).params.stop_token_ids, IsEmpty());
}

TEST(PlanSampling, KeepsTheSeedAndDrawsOneWhereThereIsNone) {
  v1::Sampling sampling;
  sampling.set_seed(7);
  EXPECT_EQ(Plan(sampling).params.seed, 7u);
  EXPECT_NE(Plan({}).params.seed, Plan({}).params.seed);
}

TEST(PlanSampling, TakesMoreCandidatesThanThereAreAsAll) {
  v1::Sampling sampling;
  sampling.set_top_k(4'000'000'000u);
  EXPECT_EQ(Plan(sampling).params.top_k, 0);
  sampling.set_top_k(99);
  EXPECT_EQ(Plan(sampling).params.top_k, 99);
}

TEST(PlanSampling, TakesBiasLogprobsAndStopStrings) {
  v1::Sampling sampling;
  (*sampling.mutable_logit_bias())[5] = -100;
  sampling.set_logprobs(true);
  sampling.set_top_logprobs(20);
  sampling.add_stop("\n\n");
  const SamplingPlan plan = Plan(sampling);
  EXPECT_EQ(plan.params.logit_bias.at(5), -100);
  EXPECT_EQ(plan.params.num_logprobs, 20);
  EXPECT_THAT(plan.stop, ElementsAre("\n\n"));
  sampling.clear_top_logprobs();
  EXPECT_EQ(Plan(sampling).params.num_logprobs, 0);
}

struct BadCase {
  std::string name;
  std::function<void(v1::Sampling&)> make;
  std::string field;    // after "sampling."
  std::string message;  // after the field
  friend std::ostream& operator<<(std::ostream& os, const BadCase& c) {
    return os << c.name;
  }
};
class BadSampling : public testing::TestWithParam<BadCase> {};

TEST_P(BadSampling, IsRefusedByName) {
  v1::Sampling sampling;
  GetParam().make(sampling);
  const absl::Status status = PlanSampling(sampling, Defaults()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
  EXPECT_EQ(ErrorField(status), "sampling." + GetParam().field);
  EXPECT_THAT(std::string(status.message()),
              testing::HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, BadSampling,
    testing::Values(
        BadCase{"HotTemperature",
                [](v1::Sampling& s) { s.set_temperature(2.5f); }, "temperature",
                "2.5 is outside [0, 2]"},
        BadCase{"NanTemperature",
                [](v1::Sampling& s) { s.set_temperature(kNan); }, "temperature",
                "nan is outside [0, 2]"},
        BadCase{"NegativeTemperature",
                [](v1::Sampling& s) { s.set_temperature(-1); }, "temperature",
                "-1 is outside [0, 2]"},
        BadCase{"ZeroTopP", [](v1::Sampling& s) { s.set_top_p(0); }, "top_p",
                "0 is outside (0, 1]"},
        BadCase{"InfiniteTopP", [](v1::Sampling& s) { s.set_top_p(kInfinity); },
                "top_p", "inf is outside (0, 1]"},
        BadCase{"MinP", [](v1::Sampling& s) { s.set_min_p(1.5f); }, "min_p",
                "1.5 is outside [0, 1]"},
        BadCase{"NanMinP", [](v1::Sampling& s) { s.set_min_p(kNan); }, "min_p",
                "nan is outside [0, 1]"},
        BadCase{"ZeroRepetition",
                [](v1::Sampling& s) { s.set_repetition_penalty(0); },
                "repetition_penalty", "0 is outside (0, 10]"},
        BadCase{"Presence",
                [](v1::Sampling& s) { s.set_presence_penalty(-2.5f); },
                "presence_penalty", "-2.5 is outside [-2, 2]"},
        BadCase{"Frequency",
                [](v1::Sampling& s) { s.set_frequency_penalty(kNan); },
                "frequency_penalty", "nan is outside [-2, 2]"},
        BadCase{"NoTokens", [](v1::Sampling& s) { s.set_max_tokens(0); },
                "max_tokens", "0 is not positive"},
        BadCase{"MinOverMax",
                [](v1::Sampling& s) {
                  s.set_max_tokens(3);
                  s.set_min_tokens(4);
                },
                "min_tokens", "4 is over max_tokens 3"},
        BadCase{"HugeMinTokens",
                [](v1::Sampling& s) { s.set_min_tokens(4'000'000'000u); },
                "min_tokens", "4000000000 is over"},
        BadCase{"ManyStops",
                [](v1::Sampling& s) {
                  for (int i = 0; i < 17; ++i) s.add_stop("x");
                },
                "stop", "17 entries, at most 16"},
        BadCase{"EmptyStop",
                [](v1::Sampling& s) {
                  s.add_stop("x");
                  s.add_stop("");
                },
                "stop[1]", "0 bytes are outside [1, 256]"},
        BadCase{"LongStop",
                [](v1::Sampling& s) { s.add_stop(std::string(257, 'x')); },
                "stop[0]", "257 bytes are outside [1, 256]"},
        BadCase{"StopTokenBeyondTheVocabulary",
                [](v1::Sampling& s) { s.add_stop_token_ids(100); },
                "stop_token_ids", "100 is outside [0, 100)"},
        BadCase{"ManyStopTokens",
                [](v1::Sampling& s) {
                  for (int i = 0; i < 65; ++i) s.add_stop_token_ids(i);
                },
                "stop_token_ids", "65 entries, at most 64"},
        BadCase{"AlternativesWithoutLogprobs",
                [](v1::Sampling& s) { s.set_top_logprobs(1); }, "top_logprobs",
                "1 needs sampling.logprobs"},
        BadCase{"ManyAlternatives",
                [](v1::Sampling& s) {
                  s.set_logprobs(true);
                  s.set_top_logprobs(21);
                },
                "top_logprobs", "21 is outside [0, 20]"},
        BadCase{"BiasBeyondTheVocabulary",
                [](v1::Sampling& s) { (*s.mutable_logit_bias())[100] = 1; },
                "logit_bias", "100 is outside [0, 100)"},
        BadCase{"StrongBias",
                [](v1::Sampling& s) { (*s.mutable_logit_bias())[1] = 101; },
                "logit_bias[1]", "101 is outside [-100, 100]"},
        BadCase{"NanBias",
                [](v1::Sampling& s) { (*s.mutable_logit_bias())[1] = kNan; },
                "logit_bias[1]", "nan is outside [-100, 100]"},
        BadCase{"ManyBiases",
                [](v1::Sampling& s) {
                  for (int i = 0; i < 301; ++i) {
                    (*s.mutable_logit_bias())[i] = 0;
                  }
                },
                "logit_bias", "301 entries, at most 300"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tandem
