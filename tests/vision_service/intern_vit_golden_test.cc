#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/convert_values.h"
#include "common/weight_source.h"
#include "tests/kernels/test_compute.h"
#include "tests/vision_service/golden.h"
#include "vision_service/intern_vit.h"
#include "vision_service/tiles.h"

namespace tandem {
namespace {

// Against what transformers computed for one tile, stage by stage.
struct GoldenCase {
  std::string model, layout;
  TestCompute compute;
  friend std::ostream& operator<<(std::ostream& os, const GoldenCase& c) {
    return os << c.model << "-" << c.layout << "-" << c.compute;
  }
};
class InternVitGoldenTest : public testing::TestWithParam<GoldenCase> {
 protected:
  void SetUp() override {
    if (!GetParam().compute.available()) {
      GTEST_SKIP() << "this processor has no " << GetParam().compute;
    }
    const std::string data = TANDEM_TEST_DATA;
    const std::string directory = absl::StrCat(
        data, "/models/", GetParam().model, "-", GetParam().layout);
    auto config = ReadModelConfig(directory);
    ASSERT_TRUE(config.ok()) << config.status();
    config_ = *config;
    auto source = OpenCheckpoint(directory, config_, WeightSet::kVision);
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
    auto golden = SafetensorsFile::Open(absl::StrCat(
        data, "/goldens/", GetParam().model, "_one_tile.safetensors"));
    ASSERT_TRUE(golden.ok()) << golden.status();
    golden_ = std::make_unique<SafetensorsFile>(*std::move(golden));
    const RgbImage image = SyntheticImage(330, 310);
    tile_ = CutTiles(image, TileGrid{1, 1}, 448)[0];
  }

  const ComputeScope scope_{GetParam().compute};
  ModelConfig config_;
  std::unique_ptr<WeightSource> source_;
  std::unique_ptr<SafetensorsFile> golden_;
  RgbImage tile_;
};

// The largest error of a stage as a multiple of 2e-5 + 1e-4 * |want|.
double WorstError(const GoldenStage& want, const at::Tensor& got) {
  double worst = 0;
  for (size_t r = 0; r < want.rows.size(); ++r) {
    const float* row = got.data_ptr<float>() + want.rows[r] * got.stride(0);
    for (int64_t i = 0; i < want.size; ++i) {
      const double wanted = want.values[r * want.size + i];
      const double error = std::fabs(row[i] - wanted);
      const double relative = error / (2e-5 + 1e-4 * std::fabs(wanted));
      worst = std::isnan(relative) ? INFINITY : std::max(worst, relative);
    }
  }
  return worst;
}

TEST_P(InternVitGoldenTest, EveryStageAgreesInFloat32) {
  std::set<std::string> seen;
  VisionEncoderOptions options{.dtype = DType::kFloat32,
                               .device = GetParam().compute.device};
  options.observer = [&](absl::string_view stage, const at::Tensor& values) {
    const auto want = ReadGoldenStage(*golden_, stage);
    ASSERT_TRUE(want.ok()) << want.status();
    ASSERT_EQ(values.size(1), want->size) << stage;
    EXPECT_LE(WorstError(*want, values.cpu()), 1) << stage;
    seen.insert(std::string(stage));
  };
  const auto encoder = MakeVisionEncoder(*source_, config_, options);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto bytes = (*encoder)->Encode(tile_);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(bytes->size(), (*encoder)->format().tile_bytes());
  std::set<std::string> stages;
  for (const auto& [name, tensor] : golden_->tensors()) {
    const bool ours = name.starts_with("vision.") || name.starts_with("proj");
    if (ours && !name.ends_with(".rows")) stages.insert(name);
  }
  EXPECT_EQ(seen, stages);
}

TEST_P(InternVitGoldenTest, EmbeddingsInBFloat16StayClose) {
  const auto encoder = MakeVisionEncoder(
      *source_, config_,
      {.dtype = DType::kBFloat16, .device = GetParam().compute.device});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto bytes = (*encoder)->Encode(tile_);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const auto want = ReadGoldenStage(*golden_, "projector.linear_2");
  ASSERT_TRUE(want.ok()) << want.status();
  std::vector<float> got(want->size);
  double dot = 0, got_square = 0, want_square = 0, error_square = 0;
  for (size_t r = 0; r < want->rows.size(); ++r) {
    ConvertValues(bytes->data() + want->rows[r] * want->size * 2,
                  DType::kBFloat16, want->size, DType::kFloat32, got.data());
    for (int64_t i = 0; i < want->size; ++i) {
      const double a = got[i], b = want->values[r * want->size + i];
      dot += a * b;
      got_square += a * a;
      want_square += b * b;
      error_square += (a - b) * (a - b);
    }
  }
  EXPECT_GE(dot / std::sqrt(got_square * want_square), 0.999);
  EXPECT_LE(std::sqrt(error_square / want_square), 2e-2);
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

INSTANTIATE_TEST_SUITE_P(Models, InternVitGoldenTest,
                         testing::ValuesIn(AllCases()), [](const auto& info) {
                           return info.param.model + info.param.layout +
                                  info.param.compute.name();
                         });

}  // namespace
}  // namespace tandem
