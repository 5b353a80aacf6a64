#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "common/model_tensors.h"
#include "common/weight_source.h"
#include "tests/common/tiny_model.h"
#include "vision_service/intern_vit.h"

namespace tandem {
namespace {

// A line of /proc/self/status, in bytes.
int64_t StatusBytes(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    int64_t kilobytes = 0;
    if (word == key + ":" && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

// While weights are read, the process holds little beside what it keeps: a
// model larger than host memory can be streamed into a card.
TEST(LoadingMemoryTest, PeakStaysNearTheWeightsKept) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer has memory of its own";
#endif
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
  int64_t kept = 0;
  for (const ModelTensor& tensor : ModelTensors(config, WeightSet::kVision)) {
    kept += 2 * tensor.num_values();
  }
  ASSERT_GT(kept, 800 << 20);
  const auto source = MakeRandomWeights(config, 1);
  const int64_t before = StatusBytes("VmRSS");
  ASSERT_GT(before, 0);
  const auto encoder =
      MakeVisionEncoder(*source, config, {.dtype = DType::kBFloat16});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const int64_t peak = StatusBytes("VmHWM");
  EXPECT_GE(peak - before, kept / 2) << "the measurement sees no weights";
  EXPECT_LT(peak - before - kept, 256 << 20);
}

}  // namespace
}  // namespace tandem
