#include "common/model_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/weight_manifest.h"
#include "tests/common/test_files.h"

namespace tandem {
namespace {

using testing::HasSubstr;

const char kModel[] = TANDEM_TEST_DATA "/models/t1-custom";

TEST(ModelOptionsTest, MaxTilesAreTheModelsUnlessGiven) {
  ModelOptions options;
  options.model = kModel;
  auto model = OpenModel(options, WeightSet::kVision);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->config.max_tiles, 12);
  options.max_tiles = 3;
  model = OpenModel(options, WeightSet::kVision);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->config.max_tiles, 3);
}

TEST(ModelOptionsTest, MaxTilesAreOneOrMore) {
  for (const char* wrong : {"0", "41"}) {
    ModelOptions options;
    CommandLine line("tandem-x", "Does things.");
    AddModelOptions(line, &options);
    const auto none = [](const char*) { return nullptr; };
    EXPECT_EQ(line.Parse({"--max-tiles", wrong}, none).status().message(),
              absl::StrCat("--max-tiles: ", wrong, " is outside [1, 40]"));
    EXPECT_THAT(line.Help(), HasSubstr("--max-tiles 1..40"));
  }
}

TEST(ModelOptionsTest, AFolderThatListsItsFilesMustHoldThem) {
  const TempDirectory directory;
  std::filesystem::copy(kModel, directory.path(),
                        std::filesystem::copy_options::overwrite_existing |
                            std::filesystem::copy_options::recursive);
  ModelOptions options;
  options.model = directory.path();
  EXPECT_TRUE(OpenModel(options, WeightSet::kVision).ok());
  const std::string zeros(64, '0');
  directory.Write(kWeightManifest, absl::StrCat(zeros, "  config.json\n", zeros,
                                                "  model.safetensors\n"));
  const absl::Status status = OpenModel(options, WeightSet::kVision).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("config.json"));
}

}  // namespace
}  // namespace tandem
