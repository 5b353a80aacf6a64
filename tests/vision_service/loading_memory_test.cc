#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/model_tensors.h"
#include "common/weight_source.h"
#include "tests/common/test_files.h"
#include "tests/common/tiny_model.h"
#include "vision_service/intern_vit.h"

namespace tandem {
namespace {

// A vision tower of more than 800 MiB.
ModelConfig LargeTower() {
  ModelConfig config = TinyConfig();
  config.vision = {.hidden_size = 4096,
                   .num_layers = 2,
                   .num_heads = 16,
                   .intermediate_size = 16384,
                   .patch_size = 14,
                   .image_size = 448,
                   .rms_norm = false,
                   .norm_epsilon = 1e-6f,
                   .qkv_bias = true,
                   .qk_norm = false};
  config.text.hidden_size = 896;
  return config;
}

int64_t BytesKept(const ModelConfig& config) {
  int64_t bytes = 0;
  for (const ModelTensor& tensor : ModelTensors(config, WeightSet::kVision)) {
    bytes += 2 * tensor.num_values();
  }
  return bytes;
}

// A checkpoint in bfloat16 whose values are zeros that take no room on a disk.
void WriteSparseCheckpoint(const TempDirectory& directory,
                           const ModelConfig& config) {
  std::string header;
  int64_t end = 0;
  for (const ModelTensor& tensor : ModelTensors(config, WeightSet::kVision)) {
    const int64_t begin = end;
    end += 2 * tensor.num_values();
    absl::StrAppend(&header, header.empty() ? "{" : ",", "\"", tensor.name,
                    R"(":{"dtype":"BF16","shape":[)",
                    absl::StrJoin(tensor.shape, ","), R"(],"data_offsets":[)",
                    begin, ",", end, "]}");
  }
  const std::string path = directory.Write(
      "model.safetensors", RawSafetensors(absl::StrCat(header, "}"), ""));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) + end);
}

// A line of /proc/self/status, in bytes.
int64_t StatusBytes(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    int64_t kilobytes = 0;
    if (word == key + ":" && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

int Fail(absl::string_view why) {
  std::fputs(absl::StrCat(why, "\n").c_str(), stderr);
  return 1;
}

// 0 if the process held little beside what it kept while weights were read: a
// model larger than host memory can be streamed into a card.
int Load(const ModelConfig& config,
         const absl::StatusOr<std::unique_ptr<WeightSource>>& source) {
  if (!source.ok()) return Fail(source.status().ToString());
  const int64_t kept = BytesKept(config);
  const int64_t before = StatusBytes("VmRSS");
  const auto encoder =
      MakeVisionEncoder(**source, config, {.dtype = DType::kBFloat16});
  if (!encoder.ok()) return Fail(encoder.status().ToString());
  const int64_t more = StatusBytes("VmHWM") - before;
  if (before == 0 || more < kept / 2) {
    return Fail("the measurement sees no weights");
  }
  if (more - kept < 256 << 20) return 0;
  return Fail(absl::StrCat("peak of ", more, " bytes for ", kept));
}

int LoadRandom(const ModelConfig& config) {
  return Load(config, MakeRandomWeights(config, 1));
}

int LoadFile(const ModelConfig& config) {
  const TempDirectory directory;
  WriteSparseCheckpoint(directory, config);
  return Load(config,
              OpenCheckpoint(directory.path(), config, WeightSet::kVision));
}

// Each measures in a process of its own, which has no peaks of other tests.
class LoadingMemoryDeathTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizer has memory of its own";
#endif
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    ASSERT_GT(BytesKept(config_), 800 << 20);
  }
  const ModelConfig config_ = LargeTower();
};

TEST_F(LoadingMemoryDeathTest, PeakStaysNearRandomWeights) {
  EXPECT_EXIT(std::_Exit(LoadRandom(config_)), testing::ExitedWithCode(0), "");
}

TEST_F(LoadingMemoryDeathTest, PeakStaysNearTheWeightsOfAFile) {
  EXPECT_EXIT(std::_Exit(LoadFile(config_)), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace tandem
