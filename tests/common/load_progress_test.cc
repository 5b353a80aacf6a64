#include "common/load_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/model_tensors.h"
#include "tests/common/tiny_model.h"

namespace tandem {
namespace {

class LoadProgressTest : public testing::Test {
 protected:
  ProgressReporter::Options OptionsFor(bool terminal) {
    ProgressReporter::Options options;
    options.what = "loading";
    options.terminal = terminal;
    options.write = [this](absl::string_view text) {
      written_.emplace_back(text);
    };
    options.now = [this] { return now_; };
    return options;
  }
  absl::Duration now_ = absl::Seconds(100);
  std::vector<std::string> written_;
};

TEST_F(LoadProgressTest, LogsALineForEveryTenth) {
  ProgressReporter reporter(OptionsFor(/*terminal=*/false));
  now_ += absl::Seconds(2);
  for (int64_t i = 1; i <= 1000; ++i)
    reporter.Advance(i * 8'000'000, 8'000'000'000);
  ASSERT_EQ(written_.size(), 10u);
  EXPECT_EQ(written_[0], "loading:  10 %, 0.8 of 8.0 GB, 0.4 GB/s");
  EXPECT_EQ(written_[9], "loading: 100 %, 8.0 of 8.0 GB, 4.0 GB/s");
}

TEST_F(LoadProgressTest, LogsASlowLoadEveryTenSeconds) {
  ProgressReporter reporter(OptionsFor(/*terminal=*/false));
  for (int i = 1; i <= 30; ++i) {
    now_ += absl::Seconds(1);
    reporter.Advance(i, 1000);
  }
  EXPECT_EQ(written_.size(), 3u);
}

TEST_F(LoadProgressTest, DrawsABarTenTimesASecondAtMost) {
  ProgressReporter reporter(OptionsFor(/*terminal=*/true));
  for (int i = 1; i <= 1000; ++i) {
    now_ += absl::Milliseconds(1);
    reporter.Advance(i * 1000, 1'000'000);
  }
  reporter.Advance(1'000'000, 1'000'000);
  ASSERT_EQ(written_.size(), 11u);
  EXPECT_EQ(written_[0],
            "\rloading [..............................]   0 %, 0.0 of 1.0 MB, "
            "1.0 MB/s");
  EXPECT_EQ(written_[10],
            "\rloading [##############################] 100 %, 1.0 of 1.0 MB, "
            "1.0 MB/s\n");
}

TEST_F(LoadProgressTest, EndsTheLineOfABarThatStopped) {
  {
    ProgressReporter reporter(OptionsFor(/*terminal=*/true));
    reporter.Advance(1, 2);
  }
  EXPECT_EQ(written_.back(), "\n");
}

TEST_F(LoadProgressTest, NothingToLoadSaysNothing) {
  ProgressReporter reporter(OptionsFor(/*terminal=*/false));
  reporter.Advance(0, 0);
  EXPECT_TRUE(written_.empty());
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
