#include "cli/embedded_server.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "cli/local_frame.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/test_files.h"

namespace tandem {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// A folder without weights is found out when the first service loads.
TEST(EmbeddedServerTest, EveryMetricFamilyIsThereBeforeAnyWeightIsRead) {
  const TempDirectory directory;
  std::filesystem::copy_file(TANDEM_TEST_DATA "/models/t1-custom/config.json",
                             absl::StrCat(directory.path(), "/config.json"));
  LocalFrame local({.backend = "cpu"});
  EmbeddedServer::Options options;
  options.model.model = directory.path();
  EXPECT_FALSE(EmbeddedServer::Start(options, local.frame()).ok());
  const std::string text = local.frame().metrics.Text();
  for (const char* family :
       {"tandem_requests_total", "tandem_backend_replicas",
        "tandem_stage_duration_seconds", "tandem_images_total",
        "tandem_vision_cache_bytes", "tandem_generated_tokens_total",
        "tandem_llm_requests_running", "tandem_device_info",
        "tandem_device_memory_bytes", "tandem_model_load_seconds"}) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("# TYPE ", family, " ")));
  }
}

TEST(SetDevicesTest, TheSpecialOptionWinsAndIsTheOneThatIsNamed) {
  EmbeddedServer::Options options;
  EXPECT_TRUE(SetDevices({}, options).ok());
  EXPECT_EQ(options.vision_device, "cpu");
  EXPECT_TRUE(
      SetDevices({.both = "cuda:0", .vision = "cpu", .llm = "cpu"}, options)
          .ok());
  EXPECT_EQ(options.llm_device, "cpu");
  const auto refused = [&](const EmbeddedDevices& devices) {
    return std::string(SetDevices(devices, options).message());
  };
  EXPECT_THAT(refused({.both = "cuda:0"}), StartsWith("--device: \"cuda:0\""));
  EXPECT_THAT(refused({.vision = "cuda:1"}),
              StartsWith("--vision-device: \"cuda:1\""));
  EXPECT_THAT(refused({.llm = "cuda:2"}),
              StartsWith("--llm-device: \"cuda:2\""));
}

}  // namespace
}  // namespace tandem
