// One tile through the vision tower and the decoder, against what transformers
// computed with the same weights, layer by layer.
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "common/safetensors.h"
#include "tests/kernels/test_compute.h"
#include "tests/llm_service/small_model.h"
#include "tests/vision_service/golden.h"
#include "vision_service/intern_vit.h"
#include "vision_service/tiles.h"

namespace tandem {
namespace {

constexpr int kImageFirstToken = 165;
constexpr int kImageTokens = 256;

// The values of a golden tensor, which is T on disk.
template <typename T>
std::vector<T> ReadGolden(const SafetensorsFile& file,
                          const std::string& name) {
  const StoredTensor& tensor = file.tensors().at(name);
  std::vector<T> values(tensor.num_bytes / sizeof(T));
  const absl::Status read =
      file.Read(tensor, 0,
                absl::MakeSpan(reinterpret_cast<char*>(values.data()),
                               values.size() * sizeof(T)));
  EXPECT_TRUE(read.ok()) << read;
  return values;
}

void ExpectNear(const float* got, const float* want, int64_t size, float abs,
                float rel) {
  for (int64_t i = 0; i < size; ++i) {
    ASSERT_NEAR(got[i], want[i], abs + rel * std::abs(want[i])) << i;
  }
}

struct GoldenCase {
  std::string model, layout;
  TestCompute compute;
  friend std::ostream& operator<<(std::ostream& os, const GoldenCase& c) {
    return os << c.model << "-" << c.layout << "-" << c.compute;
  }
};

class DecoderGoldenTest : public testing::TestWithParam<GoldenCase> {
 protected:
  void SetUp() override {
    if (!GetParam().compute.available()) {
      GTEST_SKIP() << "this processor has no " << GetParam().compute;
    }
    const std::string data = TANDEM_TEST_DATA;
    const std::string directory = absl::StrCat(
        data, "/models/", GetParam().model, "-", GetParam().layout);
    const auto config = ReadModelConfig(directory);
    ASSERT_TRUE(config.ok()) << config.status();
    const auto source = OpenCheckpoint(directory, *config);
    ASSERT_TRUE(source.ok()) << source.status();
    auto golden = SafetensorsFile::Open(absl::StrCat(
        data, "/goldens/", GetParam().model, "_one_tile.safetensors"));
    ASSERT_TRUE(golden.ok()) << golden.status();
    golden_ = std::make_unique<SafetensorsFile>(*std::move(golden));
    observed_ = LoadObserved(config->text, **source, DType::kFloat32,
                             /*num_kv_blocks=*/64, GetParam().compute.device);
    num_layers_ = config->text.num_layers;
    Encode(**source, *config);
  }

  void Encode(const WeightSource& source, const ModelConfig& config) {
    const auto encoder = MakeVisionEncoder(
        source, config,
        {.dtype = DType::kFloat32, .device = GetParam().compute.device});
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    const auto tile = (*encoder)->Encode(
        CutTiles(SyntheticImage(330, 310), TileGrid{1, 1}, 448)[0]);
    ASSERT_TRUE(tile.ok()) << tile.status();
    embeddings_ = *tile;
  }

  // Rows of a stage that begins at token `first_row`; rows before are passed
  // over.
  void ExpectStage(const std::string& golden, const std::string& ours,
                   int64_t first_row) {
    SCOPED_TRACE(golden);
    const auto want = ReadGoldenStage(*golden_, golden);
    ASSERT_TRUE(want.ok()) << want.status();
    const at::Tensor& got = observed_.value(ours);
    ASSERT_EQ(got.size(1), want->size);
    int compared = 0;
    for (size_t r = 0; r < want->rows.size(); ++r) {
      const int64_t row = want->rows[r] - first_row;
      if (row < 0) continue;
      ExpectNear(got.data_ptr<float>() + row * want->size,
                 want->values.data() + r * want->size, want->size,
                 /*abs=*/2e-5f, /*rel=*/1e-4f);
      ++compared;
    }
    EXPECT_GT(compared, 0);
  }

  const ComputeScope scope_{GetParam().compute};
  std::unique_ptr<SafetensorsFile> golden_;
  ObservedModel observed_;
  std::string embeddings_;
  int num_layers_ = 0;
};

TEST_P(DecoderGoldenTest, EveryLayerAndEveryTokenAgreeInFloat32) {
  const auto ids = ReadGolden<int64_t>(*golden_, "input_ids");
  const auto want_ids = ReadGolden<int64_t>(*golden_, "greedy_ids");
  const auto want_logits = ReadGolden<float>(*golden_, "llm.logits");
  const auto vocab = static_cast<int64_t>(want_logits.size() / want_ids.size());
  LlmModel& model = *observed_.model;
  ASSERT_TRUE(model.OpenSamplingSlot(0, GreedyParams(), {}).ok());

  TestSequence sequence{{ids.begin(), ids.end()}, {1, 2, 3, 4, 5, 6, 7, 8}};
  const int last_row = static_cast<int>(ids.size()) - 1;
  StepInput input;
  AddChunk(sequence, last_row + 1, /*sample=*/true, input);
  input.embeddings = {{.first_slot = kImageFirstToken,
                       .num_rows = kImageTokens,
                       .dtype = DType::kFloat32,
                       .data = embeddings_.data()}};
  for (size_t step = 0; step < want_ids.size(); ++step) {
    SCOPED_TRACE(step);
    const StepOutput output = RunStep(model, input);
    ASSERT_EQ(output.tokens.size(), 1u);
    if (step == 0) {
      ExpectStage("llm.inputs_embeds", "inputs_embeds", 0);
      for (int i = 0; i < num_layers_; ++i) {
        const bool last = i + 1 == num_layers_;
        ExpectStage(absl::StrCat("llm.layer.", i), absl::StrCat("layers.", i),
                    last ? last_row : 0);
      }
      ExpectStage("llm.norm", "norm", last_row);
    }
    ExpectNear(observed_.value("logits").data_ptr<float>(),
               want_logits.data() + step * vocab, vocab, /*abs=*/1e-4f,
               /*rel=*/0);
    ASSERT_EQ(output.tokens[0].token_id, want_ids[step]);
    sequence.token_ids.push_back(output.tokens[0].token_id);
    input = StepInput();
    AddChunk(sequence, 1, /*sample=*/true, input);
  }
}

std::vector<GoldenCase> AllCases() {
  std::vector<GoldenCase> cases;
  for (const char* model : {"t1", "t2"}) {
    for (const char* layout : {"custom", "hf"}) {
      for (const TestCompute& compute : AllTestComputes()) {
        cases.push_back({model, layout, compute});
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Models, DecoderGoldenTest,
                         testing::ValuesIn(AllCases()), [](const auto& info) {
                           return info.param.model + info.param.layout +
                                  info.param.compute.name();
                         });

}  // namespace
}  // namespace tandem
