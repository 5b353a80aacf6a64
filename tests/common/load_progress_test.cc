#include "common/load_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/model_tensors.h"
#include "tests/common/tiny_model.h"

namespace tandem {
namespace {

class LoadReporterTest : public testing::Test {
 protected:
  LoadReporter::Options OptionsFor(bool terminal) {
    LoadReporter::Options options;
    options.what = "weights";
    options.terminal = terminal;
    options.draw = [this](absl::string_view text) {
      drawn_.emplace_back(text);
    };
    options.log = [this](const LoadAmount& amount) {
      logged_.push_back(amount);
    };
    options.now = [this] { return now_; };
    return options;
  }
  absl::Duration now_ = absl::Seconds(100);
  std::vector<std::string> drawn_;
  std::vector<LoadAmount> logged_;
};

TEST_F(LoadReporterTest, LogsALineForEveryTenth) {
  LoadReporter reporter(OptionsFor(/*terminal=*/false));
  for (int64_t i = 1; i <= 1000; ++i) {
    now_ += absl::Milliseconds(20);
    reporter.Advance(i, 1000);
  }
  ASSERT_EQ(logged_.size(), 10u);
  EXPECT_EQ(logged_[0].bytes_done, 100);
  EXPECT_EQ(logged_[0].elapsed, absl::Seconds(2));
  EXPECT_EQ(logged_[9].bytes_done, 1000);
  EXPECT_TRUE(drawn_.empty());
}

TEST_F(LoadReporterTest, LogsAFastLoadOnceASecond) {
  LoadReporter reporter(OptionsFor(/*terminal=*/false));
  for (int64_t i = 1; i <= 1000; ++i) {
    now_ += absl::Milliseconds(3);
    reporter.Advance(i, 1000);
  }
  ASSERT_EQ(logged_.size(), 3u);
  EXPECT_EQ(logged_[0].bytes_done, 334);
  EXPECT_EQ(logged_[2].bytes_done, 1000);
}

TEST_F(LoadReporterTest, LogsASmallModelOnce) {
  LoadReporter reporter(OptionsFor(/*terminal=*/false));
  for (int64_t i = 1; i <= 1000; ++i) reporter.Advance(i, 1000);
  reporter.Advance(1000, 1000);  // a tensor that is read twice
  ASSERT_EQ(logged_.size(), 1u);
  EXPECT_EQ(logged_[0].bytes_done, 1000);
}

TEST_F(LoadReporterTest, LogsASlowLoadEveryTenSeconds) {
  LoadReporter reporter(OptionsFor(/*terminal=*/false));
  for (int i = 1; i <= 30; ++i) {
    now_ += absl::Seconds(1);
    reporter.Advance(i, 1000);
  }
  EXPECT_EQ(logged_.size(), 3u);
}

TEST_F(LoadReporterTest, DrawsABarTenTimesASecondAtMost) {
  LoadReporter reporter(OptionsFor(/*terminal=*/true));
  for (int64_t i = 1; i <= 1000; ++i) {
    now_ += absl::Milliseconds(1);
    reporter.Advance(i * 8'000'000, 8'000'000'000);
  }
  reporter.Advance(8'000'000'000, 8'000'000'000);
  ASSERT_EQ(drawn_.size(), 11u);
  EXPECT_EQ(drawn_[5],
            "\rweights [###############...............]  50 %, 4.0 of 8.0 GB, "
            "8.0 GB/s");
  EXPECT_EQ(drawn_[10],
            "\rweights [##############################] 100 %, 8.0 of 8.0 GB, "
            "8.0 GB/s\n");
  EXPECT_TRUE(logged_.empty());
}

TEST_F(LoadReporterTest, EndsTheLineOfABarThatStopped) {
  {
    LoadReporter reporter(OptionsFor(/*terminal=*/true));
    reporter.Advance(1, 2);
  }
  EXPECT_EQ(drawn_.back(), "\n");
}

TEST_F(LoadReporterTest, NothingToLoadSaysNothing) {
  LoadReporter reporter(OptionsFor(/*terminal=*/false));
  reporter.Advance(0, 0);
  EXPECT_TRUE(logged_.empty());
}

class Recorder : public LoadProgress {
 public:
  void Advance(int64_t bytes_done, int64_t bytes_total) override {
    done = bytes_done;
    total = bytes_total;
    ++calls;
  }
  int64_t done = 0, total = 0, calls = 0;
};

TEST(WithProgressTest, EverythingReadIsEverything) {
  const ModelConfig config = TinyConfig();
  const auto weights = MakeRandomWeights(config, 1);
  Recorder recorder;
  const auto source =
      WithProgress(*weights, config, WeightSet::kVision, recorder);
  for (const ModelTensor& tensor : ModelTensors(config, WeightSet::kVision)) {
    EXPECT_EQ(AllValues(*source, tensor.name),
              AllValues(*weights, tensor.name));
  }
  EXPECT_GT(recorder.total, 0);
  EXPECT_EQ(recorder.done, recorder.total);
  EXPECT_EQ(*source->VisionFingerprint(), *weights->VisionFingerprint());
  EXPECT_TRUE(source->Has("mlp1.3.bias"));
  const int64_t calls = recorder.calls;
  float value = 0;
  EXPECT_FALSE(source->ReadRows("none", 0, 1, DType::kFloat32, &value).ok());
  EXPECT_EQ(recorder.calls, calls);
}

}  // namespace
}  // namespace tandem
