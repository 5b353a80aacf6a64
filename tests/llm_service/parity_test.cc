// The decoder in float32 against what transformers answered with the same
// weights (bfloat16: tests/e2e/bfloat16_parity_test.cc): see
// tests/data/goldens and tests/reference.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "tests/llm_service/small_model.h"

namespace tandem {
namespace {

nlohmann::json ReadGoldens(const std::string& name) {
  std::ifstream file(std::string(TANDEM_TEST_DATA) + "/goldens/" + name +
                     ".json");
  return nlohmann::json::parse(file);
}

std::vector<int> PromptIds(const nlohmann::json& golden) {
  std::vector<int> ids;
  for (const auto& run : golden.at("prompt_ids_rle")) {
    ids.insert(ids.end(), run.at(1).get<int>(), run.at(0).get<int>());
  }
  return ids;
}

// Of log probabilities and of the gap between the two best logits, in float32.
constexpr float kTolerance = 1e-4f;

struct ParityCase {
  std::string goldens;    // file
  std::string directory;  // of the model
  friend std::ostream& operator<<(std::ostream& os, const ParityCase& c) {
    return os << c.directory;
  }
};

class ParityTest : public testing::TestWithParam<ParityCase> {
 protected:
  void SetUp() override {
    goldens_ = ReadGoldens(GetParam().goldens);
    const std::string directory =
        std::string(TANDEM_TEST_DATA) + "/models/" + GetParam().directory;
    const auto config = ReadModelConfig(directory);
    ASSERT_TRUE(config.ok()) << config.status();
    const auto source = OpenCheckpoint(directory, *config);
    ASSERT_TRUE(source.ok()) << source.status();
    observed_ = LoadObserved(config->text, **source, DType::kFloat32);
  }

  const nlohmann::json& golden(const std::string& name) const {
    return goldens_.at("cases").at(name);
  }

  nlohmann::json goldens_;
  ObservedModel observed_;
};

// One token against the golden's step.
void ExpectToken(const SampledToken& token, const nlohmann::json& greedy,
                 size_t step) {
  EXPECT_EQ(token.token_id, greedy.at("ids").at(step).get<int>()) << step;
  EXPECT_NEAR(token.logprob, greedy.at("logprob").at(step).get<float>(),
              kTolerance)
      << step;
  ASSERT_EQ(token.top.size(), 2u);
  EXPECT_NEAR(token.top[0].second - token.top[1].second,
              greedy.at("gap").at(step).get<float>(), 2 * kTolerance)
      << step;
}

TEST_P(ParityTest, AnswersAsTransformersDoes) {
  for (const std::string name : {"text", "system_text"}) {
    SCOPED_TRACE(name);
    const nlohmann::json& greedy = golden(name).at("greedy");
    TestSequence sequence{PromptIds(golden(name)), {1, 2, 3, 4, 5}};
    LlmModel& model = *observed_.model;
    ASSERT_TRUE(model.OpenSamplingSlot(0, GreedyParams(), {}).ok());
    for (size_t step = 0; step < greedy.at("ids").size(); ++step) {
      StepInput input;
      const int size = static_cast<int>(sequence.token_ids.size());
      AddChunk(sequence, size - sequence.num_cached, /*sample=*/true, input);
      const StepOutput output = RunStep(model, input);
      ASSERT_EQ(output.tokens.size(), 1u);
      ExpectToken(output.tokens[0], greedy, step);
      if (HasFailure()) return;  // the answers have parted
      sequence.token_ids.push_back(output.tokens[0].token_id);
    }
    model.CloseSamplingSlot(0);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ParityTest,
                         testing::Values(ParityCase{"t1", "t1-custom"},
                                         ParityCase{"t1", "t1-hf"},
                                         ParityCase{"t2", "t2-custom"},
                                         ParityCase{"t2", "t2-hf"}));

}  // namespace
}  // namespace tandem
