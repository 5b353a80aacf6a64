#include "common/metrics.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

class MetricsTest : public testing::Test {
 protected:
  Health health_;
  Metrics metrics_{{.backend = "cpu", .torch = "1.13.1", .cpu_level = "avx2"},
                   health_};
};

TEST_F(MetricsTest, EveryProcessTellsAboutItself) {
  health_.AddHeartbeat("cpu", {}, [] { return absl::Milliseconds(1500); });
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("tandem_build_info{backend=\"cpu\",commit=\""));
  EXPECT_THAT(text, HasSubstr("cpu_level=\"avx2\",torch=\"1.13.1\","
                              "version=\"0.1.0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\ntandem_ready 1\n"));
  EXPECT_THAT(
      text,
      HasSubstr("tandem_engine_heartbeat_age_seconds{engine=\"cpu\"} 1.5\n"));
  for (const char* name :
       {"process_resident_memory_bytes", "process_virtual_memory_bytes",
        "process_open_fds", "process_max_fds", "process_start_time_seconds"}) {
    double value = 0;
    for (const std::string& line : Lines(text)) {
      if (absl::StartsWith(line, absl::StrCat(name, " ")))
        value = std::stod(line.substr(strlen(name)));
    }
    EXPECT_GT(value, 0) << name;
  }
  EXPECT_THAT(text, HasSubstr("# TYPE process_cpu_seconds_total counter"));
}

TEST_F(MetricsTest, ReadyFollowsHealth) {
  health_.Drain();
  EXPECT_THAT(metrics_.Text(), HasSubstr("\ntandem_ready 0\n"));
}

// The families that dashboards and alerts name, all there from the start.
TEST_F(MetricsTest, ThreeServicesShareOneRegistryAndStayWithinTheBudget) {
  GatewayMetrics gateway(metrics_);
  VisionMetrics vision(metrics_);
  LlmMetrics llm(metrics_, "demo", /*max_context_tokens=*/32768);
  DeviceMetrics vision_device(metrics_, "cpu"), llm_device(metrics_, "cpu");
  llm.SetModelInfo(metrics_, {.model = "demo",
                              .dtype = "float32",
                              .fingerprint = "f",
                              .max_model_len = 32768,
                              .block_size = 64,
                              .num_blocks = 512});
  SetDeviceInfo(metrics_, "none", "cpu", "-");
  const std::string text = metrics_.Text();
  std::set<std::string> series;
  for (const std::string& line : Lines(text)) {
    if (line[0] == '#') continue;
    EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
  }
  EXPECT_LE(series.size(), 2500u);
  for (const char* family :
       {"tandem_build_info",
        "tandem_model_info",
        "tandem_device_info",
        "tandem_requests_total",
        "tandem_requests_in_flight",
        "tandem_request_duration_seconds",
        "tandem_admission_rejections_total",
        "tandem_queue_depth",
        "tandem_queue_limit",
        "tandem_time_to_first_token_seconds",
        "tandem_inter_token_latency_seconds",
        "tandem_time_per_output_token_seconds",
        "tandem_stage_duration_seconds",
        "tandem_prompt_tokens_total",
        "tandem_image_tokens_total",
        "tandem_generated_tokens_total",
        "tandem_request_prompt_tokens",
        "tandem_request_generated_tokens",
        "tandem_images_total",
        "tandem_image_tiles",
        "tandem_image_bytes",
        "tandem_image_pixels",
        "tandem_vision_batch_tiles",
        "tandem_llm_batch_sequences",
        "tandem_vision_cache_requests_total",
        "tandem_vision_cache_bytes",
        "tandem_embedding_transfer_bytes_total",
        "tandem_embedding_transfer_errors_total",
        "tandem_llm_requests_running",
        "tandem_llm_requests_waiting",
        "tandem_kv_cache_usage_ratio",
        "tandem_kv_cache_blocks",
        "tandem_kv_cache_blocks_free",
        "tandem_preemptions_total",
        "tandem_cancelled_requests_total",
        "tandem_tokens_after_cancel_total",
        "tandem_numeric_faults_total",
        "tandem_device_memory_bytes",
        "tandem_device_oom_total",
        "tandem_backend_replicas",
        "tandem_backend_retries_total",
        "tandem_model_load_seconds",
        "tandem_ready",
        "tandem_tls_certificate_expiry_timestamp_seconds"}) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("# TYPE ", family, " ")));
    EXPECT_THAT(text, HasSubstr(absl::StrCat("# HELP ", family, " ")));
  }
}

TEST_F(MetricsTest, SeriesAreFoundByTheirLabels) {
  GatewayMetrics gateway(metrics_);
  gateway.CountRequest(Api::kGrpc, Method::kChat,
                       absl::StatusCode::kResourceExhausted);
  gateway.admission_rejections[Rejection::kQueueFull].Increment();
  gateway.time_to_first_token_seconds[ImageCountOf(3)].Observe(0.3);
  gateway.stage_duration_seconds[Stage::kFirstToken].Observe(0.001);
  gateway.backend_replicas[Backend::kLlm][BackendState::kReady].Set(2);
  gateway.request_duration_seconds[Api::kOpenAi][Streaming::kYes].Observe(3);
  VisionMetrics vision(metrics_);
  vision.images[ImageFormatLabel::kJpeg][ImageResult::kOk].Increment();
  vision.cache_requests[CacheResult::kEvicted].Increment();
  LlmMetrics llm(metrics_, "demo", 300);
  llm.cancelled_requests[Stage::kDecode].Increment();
  llm.embedding_transfer_errors[TransferError::kFingerprint].Increment();
  llm.request_prompt_tokens.Observe(250);
  const std::string text = metrics_.Text();
  for (const char* line :
       {"tandem_requests_total{api=\"grpc\",code=\"RESOURCE_EXHAUSTED\",method="
        "\"chat\"} 1",
        "tandem_requests_total{api=\"kserve\",code=\"UNAUTHENTICATED\",method="
        "\"other\"} 0",
        "tandem_admission_rejections_total{reason=\"queue_full\"} 1",
        "tandem_time_to_first_token_seconds_bucket{images=\"2_4\",le=\"0.5\"} "
        "1",
        "tandem_stage_duration_seconds_count{stage=\"first_token\"} 1",
        "tandem_backend_replicas{service=\"llm\",state=\"ready\"} 2",
        "tandem_request_duration_seconds_count{api=\"openai\",stream=\"true\"} "
        "1",
        "tandem_images_total{format=\"jpeg\",result=\"ok\"} 1",
        "tandem_vision_cache_requests_total{result=\"evicted\"} 1",
        "tandem_cancelled_requests_total{stage=\"decode\"} 1",
        "tandem_cancelled_requests_total{stage=\"parse\"} 0",
        "tandem_embedding_transfer_errors_total{reason=\"fingerprint\"} 1",
        "tandem_request_prompt_tokens_bucket{le=\"200\"} 0",
        "tandem_request_prompt_tokens_bucket{le=\"300\"} 1"}) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("\n", line, "\n")));
  }
  EXPECT_THAT(text, Not(HasSubstr("le=\"500\"")));
}

TEST_F(MetricsTest, EveryLabelHasAText) {
  GatewayMetrics gateway(metrics_);
  VisionMetrics vision(metrics_);
  LlmMetrics llm(metrics_, "demo", 300);
  EXPECT_THAT(metrics_.Text(), Not(HasSubstr("=\"\"")));
}

}  // namespace
}  // namespace tandem
