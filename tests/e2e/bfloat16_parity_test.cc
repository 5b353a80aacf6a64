// bfloat16 against transformers, pictures included: the reference's own tokens
// are fed, and at every step where its two best are clearly apart ours must
// agree.
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "common/weight_source.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/llm_service/small_model.h"
#include "tests/vision_service/golden.h"
#include "vision_service/intern_vit.h"
#include "vision_service/tiles.h"

namespace tandem {
namespace {

// Steps nearer than this may go either way: the reference's own kernels differ
// by as much among themselves.
constexpr float kClearGap = 0.1f;

class BFloat16ParityTest : public testing::Test {
 protected:
  BFloat16ParityTest() {
    const std::string data = TANDEM_TEST_DATA;
    std::ifstream file(data + "/goldens/t3.json");
    goldens_ = nlohmann::json::parse(file);
    const std::string directory = data + "/models/t1-custom";
    config_ = *ReadModelConfig(directory);
    const auto source = *OpenCheckpoint(directory, config_);
    observed_ = LoadObserved(config_.text, *source, DType::kBFloat16,
                             /*num_kv_blocks=*/96);
    VisionEncoderOptions options;
    options.dtype = DType::kBFloat16;
    encoder_ = *MakeVisionEncoder(*source, config_, options);
  }

  // The embeddings of all images of a case, in prompt order.
  std::vector<std::string> Encode(const nlohmann::json& golden) {
    std::vector<std::string> images;
    for (const auto& image : golden.at("images")) {
      const RgbImage pixels = SyntheticImage(image.at("width").get<int>(),
                                             image.at("height").get<int>());
      const TileGrid grid{image.at("columns").get<int>(),
                          image.at("rows").get<int>()};
      std::string& embeddings = images.emplace_back();
      for (const RgbImage& tile :
           CutTiles(pixels, grid, config_.vision.image_size)) {
        embeddings += *encoder_->Encode(tile);
      }
    }
    return images;
  }

  nlohmann::json goldens_;
  ModelConfig config_;
  ObservedModel observed_;
  std::unique_ptr<VisionEncoder> encoder_;
};

TEST_F(BFloat16ParityTest, AgreesWhereverTheReferenceIsSure) {
  int num_clear = 0;
  for (const auto& [name, golden] : goldens_.at("cases").items()) {
    SCOPED_TRACE(name);
    const std::vector<std::string> images = Encode(golden);
    TestSequence sequence;
    for (const auto& run : golden.at("prompt_ids_rle")) {
      sequence.token_ids.insert(sequence.token_ids.end(), run.at(1).get<int>(),
                                run.at(0).get<int>());
    }
    sequence.block_table.resize(96);
    std::iota(sequence.block_table.begin(), sequence.block_table.end(), 1);

    StepInput input;
    AddChunk(sequence, static_cast<int>(sequence.token_ids.size()),
             /*sample=*/true, input);
    for (const auto& span : golden.at("image_spans")) {
      input.embeddings.push_back(
          {.first_slot = span.at("first").get<int>(),
           .num_rows = span.at("num_tokens").get<int>(),
           .dtype = DType::kBFloat16,
           .data = images[span.at("image").get<int>()].data()});
    }
    LlmModel& model = *observed_.model;
    ASSERT_TRUE(model.OpenSamplingSlot(0, GreedyParams(), {}).ok());
    const nlohmann::json& greedy = golden.at("greedy");
    for (size_t step = 0; step < greedy.at("ids").size(); ++step) {
      const StepOutput output = RunStep(model, input);
      ASSERT_EQ(output.tokens.size(), 1u);
      const int want = greedy.at("ids").at(step).get<int>();
      if (greedy.at("gap").at(step).get<float>() > kClearGap) {
        EXPECT_EQ(output.tokens[0].token_id, want) << "step " << step;
        ++num_clear;
      }
      sequence.token_ids.push_back(want);
      input = StepInput();
      AddChunk(sequence, 1, /*sample=*/true, input);
    }
    model.CloseSamplingSlot(0);
  }
  RecordProperty("clear_steps", num_clear);
  EXPECT_GE(num_clear, 50);
}

}  // namespace
}  // namespace tandem
