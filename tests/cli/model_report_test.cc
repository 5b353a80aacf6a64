#include "cli/model_report.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using testing::HasSubstr;

const std::string kModels = TANDEM_TEST_DATA "/models/";

// A copy that a test may damage.
std::string CopyOf(const std::string& model) {
  const std::string copy =
      testing::TempDir() + "model_report_" +
      testing::UnitTest::GetInstance()->current_test_info()->name();
  std::filesystem::remove_all(copy);
  std::filesystem::copy(kModels + model, copy);
  return copy;
}

TEST(ModelReportTest, AddsUpParametersAndMemory) {
  const auto report = ReadModelReport(kModels + "t1-custom", "float32");
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->weights.ok()) << report->weights;
  EXPECT_EQ(report->num_weight_files, 1);
  // The file holds every parameter as bfloat16, and a header.
  const int64_t parameters = report->vision.parameters + report->llm.parameters;
  const auto file_bytes = static_cast<int64_t>(
      std::filesystem::file_size(kModels + "t1-custom/model.safetensors"));
  EXPECT_LT(2 * parameters, file_bytes);
  EXPECT_GT(2 * parameters, file_bytes * 95 / 100);
  EXPECT_EQ(report->vision.weight_bytes, 4 * report->vision.parameters);
  EXPECT_EQ(report->embedding_bytes_per_tile, 256 * 96 * 4);
  // K and V of 3 layers with 2 heads of 16 values.
  EXPECT_EQ(report->kv_bytes_per_token, 2 * 3 * 2 * 16 * 4);
}

TEST(ModelReportTest, BothLayoutsOfAModelAreTheSameModel) {
  const auto custom = ReadModelReport(kModels + "t2-custom", "bfloat16");
  const auto hf = ReadModelReport(kModels + "t2-hf", "bfloat16");
  ASSERT_TRUE(custom.ok() && hf.ok());
  EXPECT_EQ(custom->vision.parameters, hf->vision.parameters);
  EXPECT_EQ(custom->llm.parameters, hf->llm.parameters);
  EXPECT_EQ(hf->num_weight_files, 3);
}

TEST(ModelReportTest, AMissingShardIsToldAndTheRestIsReported) {
  const std::string copy = CopyOf("t2-hf");
  std::filesystem::remove(copy + "/model-00002-of-00003.safetensors");
  const auto report = ReadModelReport(copy, "auto");
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->weights.ok());
  const std::string text = ReportAsText(*report, /*available_bytes=*/0);
  EXPECT_THAT(text, HasSubstr("NOT COMPLETE"));
  EXPECT_THAT(text, HasSubstr("model-00002-of-00003.safetensors"));
  const auto json = nlohmann::json::parse(ReportAsJson(*report, 0));
  EXPECT_EQ(json["complete"], false);
  EXPECT_THAT(json["error"].get<std::string>(), HasSubstr("model-00002"));
}

TEST(ModelReportTest, ACutFileIsNotComplete) {
  const std::string copy = CopyOf("t1-custom");
  std::filesystem::resize_file(copy + "/model.safetensors", 500'000);
  const auto report = ReadModelReport(copy, "auto");
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->weights.ok());
}

TEST(ModelReportTest, AFolderWithoutAModelIsAnError) {
  EXPECT_FALSE(ReadModelReport(testing::TempDir(), "auto").ok());
  EXPECT_FALSE(ReadModelReport("/nowhere", "auto").ok());
}

TEST(ModelReportTest, SaysWhetherItFits) {
  const auto report = ReadModelReport(kModels + "t1-custom", "auto");
  ASSERT_TRUE(report.ok());
  const int64_t needed = report->total_bytes();
  EXPECT_THAT(ReportAsText(*report, needed), HasSubstr("free: fits"));
  EXPECT_THAT(ReportAsText(*report, needed - 1), HasSubstr("DOES NOT FIT"));
  EXPECT_EQ(nlohmann::json::parse(ReportAsJson(*report, needed))["fits"], true);
  EXPECT_EQ(nlohmann::json::parse(ReportAsJson(*report, needed - 1))["fits"],
            false);
}

}  // namespace
}  // namespace tandem
