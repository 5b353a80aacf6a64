// The decoder against what transformers answered with the same weights: see
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

struct ParityCase {
  std::string goldens;    // file
  std::string directory;  // of the model
  DType dtype;
  // Of log probabilities and of the gap between the two best logits.
  float tolerance;
  friend std::ostream& operator<<(std::ostream& os, const ParityCase& c) {
    return os << c.directory << " " << DTypeName(c.dtype);
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
    observed_ = LoadObserved(config->text, **source, GetParam().dtype);
  }

  const nlohmann::json& golden(const std::string& name) const {
    return goldens_.at("cases").at(name);
  }

  nlohmann::json goldens_;
  ObservedModel observed_;
};

// One token against the golden's step. False once the answers may part: in
// bfloat16 after a step whose two best were close.
bool ExpectToken(const SampledToken& token, const nlohmann::json& greedy,
                 size_t step, const ParityCase& parity) {
  const float gap = greedy.at("gap").at(step);
  const bool clear = parity.dtype == DType::kFloat32 || gap > 0.1f;
  if (!clear) return token.token_id == greedy.at("ids").at(step).get<int>();
  EXPECT_EQ(token.token_id, greedy.at("ids").at(step).get<int>()) << step;
  EXPECT_NEAR(token.logprob, greedy.at("logprob").at(step).get<float>(),
              parity.tolerance)
      << step;
  EXPECT_EQ(token.top.size(), 2u);
  if (token.top.size() != 2) return false;
  EXPECT_NEAR(token.top[0].second - token.top[1].second, gap,
              2 * parity.tolerance)
      << step;
  return true;
}

TEST_P(ParityTest, AnswersAsTransformersDoes) {
  size_t compared = 0;
  for (const std::string name : {"text", "system_text"}) {
    SCOPED_TRACE(name);
    const nlohmann::json& greedy = golden(name).at("greedy");
    TestSequence sequence{PromptIds(golden(name)), {1, 2, 3, 4, 5}};
    LlmModel& model = *observed_.model;
    ASSERT_TRUE(model.OpenSamplingSlot(0, GreedyParams(), {}).ok());
    for (size_t step = 0; step < greedy.at("ids").size(); ++step, ++compared) {
      StepInput input;
      const int size = static_cast<int>(sequence.token_ids.size());
      AddChunk(sequence, size - sequence.num_cached, /*sample=*/true, input);
      const StepOutput output = RunStep(model, input);
      ASSERT_EQ(output.tokens.size(), 1u);
      if (!ExpectToken(output.tokens[0], greedy, step, GetParam())) break;
      sequence.token_ids.push_back(output.tokens[0].token_id);
    }
    model.CloseSamplingSlot(0);
  }
  // In float32 every step counts.
  EXPECT_GE(compared, GetParam().dtype == DType::kFloat32 ? 64u : 8u);
}

INSTANTIATE_TEST_SUITE_P(
    Models, ParityTest,
    testing::Values(ParityCase{"t1", "t1-custom", DType::kFloat32, 1e-4f},
                    ParityCase{"t1", "t1-hf", DType::kFloat32, 1e-4f},
                    ParityCase{"t2", "t2-custom", DType::kFloat32, 1e-4f},
                    ParityCase{"t2", "t2-hf", DType::kFloat32, 1e-4f},
                    ParityCase{"t3", "t1-custom", DType::kBFloat16, 0.06f}));

}  // namespace
}  // namespace tandem
