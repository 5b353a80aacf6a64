#include "common/metrics.h"

#include <initializer_list>

#include "common/metrics_families.h"

namespace tandem {
namespace {

using metrics::Buckets;
using metrics::ForEach;
using metrics::Labels;
using metrics::Text;

// A limit that people are paged for must be one of the edges.
const Buckets kTtftBuckets = {.005, .01, .02, .04, .06, .08, .1, .15, .25, .5,
                              .75,  1,   1.5, 2.5, 5,   10,  20, 40,  80};
const Buckets kTokenBuckets = {.002, .005, .01, .015, .02, .025, .03, .04, .05,
                               .075, .1,   .15, .2,   .3,  .5,   1,   2.5};
const Buckets kRequestBuckets = {.1, .25, .5, 1,   2,   4,  8,
                                 15, 30,  60, 120, 240, 600};
const Buckets kStageBuckets = {.0005, .001, .0025, .005, .01, .02, .04, .08,
                               .15,   .3,   .6,    1.2,  2.5, 5,   10,  30};
const Buckets kTileBuckets = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
const Buckets kBatchBuckets = {1, 2, 4, 8, 16, 32, 64, 128, 256};
const Buckets kByteBuckets = {1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20,
                              1 << 22, 1 << 23, 1 << 24, 20 << 20};
const Buckets kPixelBuckets = {1e4, 5e4, 1e5, 2e5, 5e5, 1e6,
                               2e6, 5e6, 1e7, 2e7, 4e7};

// 1, 2, 5, 10, ... below `most`, and `most`.
Buckets SizeBuckets(int most) {
  Buckets buckets;
  for (double decade = 1; decade < most; decade *= 10) {
    for (const double step : {1, 2, 5}) {
      if (decade * step < most) buckets.push_back(decade * step);
    }
  }
  buckets.push_back(most);
  return buckets;
}

template <class Label>
PerLabel<prometheus::Counter, Label> CounterPer(Metrics& m,
                                                const std::string& name,
                                                const std::string& help,
                                                const std::string& key) {
  PerLabel<prometheus::Counter, Label> series;
  ForEach<Label>([&](Label label) {
    series.Set(label, metrics::Counter(m, name, help, {{key, Text(label)}}));
  });
  return series;
}

PerLabel<prometheus::Counter, Stage> CounterPerStage(
    Metrics& m, const std::string& name, const std::string& help,
    std::initializer_list<Stage> stages) {
  PerLabel<prometheus::Counter, Stage> series;
  for (const Stage stage : stages) {
    series.Set(stage,
               metrics::Counter(m, name, help, {{"stage", Text(stage)}}));
  }
  return series;
}

template <class First, class Second>
PerLabels<prometheus::Counter, First, Second> CounterPer(
    Metrics& m, const std::string& name, const std::string& help,
    const std::string& first_key, const std::string& second_key,
    Labels labels = {}) {
  PerLabels<prometheus::Counter, First, Second> series;
  ForEach<First>([&](First first) {
    ForEach<Second>([&](Second second) {
      labels[first_key] = Text(first);
      labels[second_key] = Text(second);
      series[first].Set(second, metrics::Counter(m, name, help, labels));
    });
  });
  return series;
}

// Families that two services have a part of.
constexpr char kCancelled[] = "tandem_cancelled_requests_total";
constexpr char kCancelledHelp[] =
    "Requests that ended by cancellation, by the stage they were in.";
constexpr char kNumericFaults[] = "tandem_numeric_faults_total";
constexpr char kNumericFaultsHelp[] =
    "NaN or infinity found in embeddings or logits.";
constexpr char kDeviceOom[] = "tandem_device_oom_total";
constexpr char kDeviceOomHelp[] = "Times that the device had no memory left.";
constexpr char kQueueDepth[] = "tandem_queue_depth";
constexpr char kQueueDepthHelp[] =
    "Work that waits: tiles to encode, sequences to decode.";
constexpr char kQueueLimit[] = "tandem_queue_limit";
constexpr char kQueueLimitHelp[] = "Most work that may wait.";

}  // namespace

DeviceMetrics::DeviceMetrics(Metrics& m, absl::string_view device)
    : model_load_seconds(
          metrics::Gauge(m, "tandem_model_load_seconds",
                         "Time to load the weights and warm up.")) {
  ForEach<DeviceMemory>([&](DeviceMemory kind) {
    memory_bytes.Set(
        kind, metrics::Gauge(
                  m, "tandem_device_memory_bytes",
                  "Memory of the device that the engines compute on.",
                  {{"device", std::string(device)}, {"kind", Text(kind)}}));
  });
}

void SetDeviceInfo(Metrics& m, absl::string_view vendor, absl::string_view name,
                   absl::string_view uuid) {
  metrics::Gauge(m, "tandem_device_info",
                 "A card that this process computes on.",
                 {{"vendor", std::string(vendor)},
                  {"name", std::string(name)},
                  {"uuid", std::string(uuid)}})
      .Set(1);
}

GatewayMetrics::GatewayMetrics(Metrics& m)
    : admission_rejections(
          CounterPer<Rejection>(m, "tandem_admission_rejections_total",
                                "Requests refused at admission.", "reason")),
      inter_token_latency_seconds(metrics::Histogram(
          m, "tandem_inter_token_latency_seconds",
          "Gap between successive tokens of a request.", kTokenBuckets)),
      time_per_output_token_seconds(metrics::Histogram(
          m, "tandem_time_per_output_token_seconds",
          "Per request: time after the first token / tokens after the first.",
          kTokenBuckets)),
      backend_retries(CounterPer<Backend, absl::StatusCode>(
          m, "tandem_backend_retries_total",
          "Calls made again on another replica.", "service", "code")),
      cancelled_in_parse(metrics::Counter(m, kCancelled, kCancelledHelp,
                                          {{"stage", Text(Stage::kParse)}})) {
  ForEach<Api>([&](Api api) {
    requests[static_cast<size_t>(api)] = CounterPer<Method, absl::StatusCode>(
        m, "tandem_requests_total", "Finished calls.", "method", "code",
        {{"api", Text(api)}});
    requests_in_flight.Set(api,
                           metrics::Gauge(m, "tandem_requests_in_flight",
                                          "Calls accepted and not finished.",
                                          {{"api", Text(api)}}));
    ForEach<Streaming>([&](Streaming stream) {
      request_duration_seconds[api].Set(
          stream,
          metrics::Histogram(m, "tandem_request_duration_seconds",
                             "Receipt to last byte of a call.", kRequestBuckets,
                             {{"api", Text(api)}, {"stream", Text(stream)}}));
    });
  });
  ForEach<ImageCount>([&](ImageCount images) {
    time_to_first_token_seconds.Set(
        images, metrics::Histogram(
                    m, "tandem_time_to_first_token_seconds",
                    "Receipt to first token written, by number of images.",
                    kTtftBuckets, {{"images", Text(images)}}));
  });
  ForEach<Stage>([&](Stage stage) {
    stage_duration_seconds.Set(
        stage,
        metrics::Histogram(m, "tandem_stage_duration_seconds",
                           "Where a request's time went, on its critical path.",
                           kStageBuckets, {{"stage", Text(stage)}}));
  });
  ForEach<Backend>([&](Backend service) {
    ForEach<BackendState>([&](BackendState state) {
      backend_replicas[service].Set(
          state,
          metrics::Gauge(m, "tandem_backend_replicas",
                         "Replicas as the gateway sees them.",
                         {{"service", Text(service)}, {"state", Text(state)}}));
    });
  });
}

VisionMetrics::VisionMetrics(Metrics& m)
    : images(CounterPer<ImageFormatLabel, ImageResult>(
          m, "tandem_images_total", "Images put, by what their header says.",
          "format", "result")),
      image_tiles(metrics::Histogram(m, "tandem_image_tiles",
                                     "Tiles of an image.", kTileBuckets)),
      image_bytes(metrics::Histogram(
          m, "tandem_image_bytes", "Encoded size of an image.", kByteBuckets)),
      image_pixels(metrics::Histogram(m, "tandem_image_pixels",
                                      "Width times height of an image.",
                                      kPixelBuckets)),
      batch_tiles(metrics::Histogram(m, "tandem_vision_batch_tiles",
                                     "Tiles encoded together.", kBatchBuckets)),
      queue_depth(metrics::Gauge(m, kQueueDepth, kQueueDepthHelp,
                                 {{"stage", "encode"}})),
      queue_limit(metrics::Gauge(m, kQueueLimit, kQueueLimitHelp,
                                 {{"stage", "encode"}})),
      cache_requests(CounterPer<CacheResult>(
          m, "tandem_vision_cache_requests_total",
          "Look-ups in the embedding cache, and evictions.", "result")),
      cache_bytes(metrics::Gauge(m, "tandem_vision_cache_bytes",
                                 "Embeddings that are kept.")),
      numeric_faults(metrics::Counter(m, kNumericFaults, kNumericFaultsHelp,
                                      {{"stage", "encode"}})),
      device_oom(metrics::Counter(m, kDeviceOom, kDeviceOomHelp,
                                  {{"stage", "encode"}})) {}

LlmMetrics::LlmMetrics(Metrics& m, absl::string_view model,
                       int max_context_tokens)
    : prompt_tokens(metrics::Counter(m, "tandem_prompt_tokens_total",
                                     "Prompt tokens taken.",
                                     {{"model", std::string(model)}})),
      image_tokens(
          metrics::Counter(m, "tandem_image_tokens_total",
                           "Of the prompt tokens, those that stand for images.",
                           {{"model", std::string(model)}})),
      generated_tokens(metrics::Counter(m, "tandem_generated_tokens_total",
                                        "Tokens sampled.",
                                        {{"model", std::string(model)}})),
      request_prompt_tokens(metrics::Histogram(
          m, "tandem_request_prompt_tokens", "Prompt tokens of a request.",
          SizeBuckets(max_context_tokens))),
      request_generated_tokens(metrics::Histogram(
          m, "tandem_request_generated_tokens",
          "Tokens generated for a request.", SizeBuckets(max_context_tokens))),
      batch_sequences(metrics::Histogram(m, "tandem_llm_batch_sequences",
                                         "Sequences in a step.",
                                         kBatchBuckets)),
      queue_depth(metrics::Gauge(m, kQueueDepth, kQueueDepthHelp,
                                 {{"stage", "decode"}})),
      queue_limit(metrics::Gauge(m, kQueueLimit, kQueueLimitHelp,
                                 {{"stage", "decode"}})),
      requests_running(metrics::Gauge(m, "tandem_llm_requests_running",
                                      "Sequences in the running batch.")),
      requests_waiting(metrics::Gauge(m, "tandem_llm_requests_waiting",
                                      "Sequences that wait for a place.")),
      kv_cache_usage_ratio(
          metrics::Gauge(m, "tandem_kv_cache_usage_ratio",
                         "Part of the KV blocks that is in use, 0 to 1.")),
      kv_cache_blocks(
          metrics::Gauge(m, "tandem_kv_cache_blocks", "KV blocks that exist.")),
      kv_cache_blocks_free(metrics::Gauge(m, "tandem_kv_cache_blocks_free",
                                          "KV blocks that nothing needs.")),
      preemptions(
          metrics::Counter(m, "tandem_preemptions_total",
                           "Sequences that lost their KV blocks to others.")),
      cancelled_requests(CounterPerStage(m, kCancelled, kCancelledHelp,
                                         {Stage::kTransfer, Stage::kDecodeQueue,
                                          Stage::kPrefill, Stage::kDecode})),
      tokens_after_cancel(metrics::Counter(
          m, "tandem_tokens_after_cancel_total",
          "Tokens sampled after their request was cancelled.")),
      numeric_faults(CounterPerStage(m, kNumericFaults, kNumericFaultsHelp,
                                     {Stage::kPrefill, Stage::kDecode})),
      device_oom(CounterPerStage(m, kDeviceOom, kDeviceOomHelp,
                                 {Stage::kPrefill, Stage::kDecode})),
      embedding_received_bytes(
          metrics::Counter(m, "tandem_embedding_transfer_bytes_total",
                           "Embeddings in verified chunks, without framing.",
                           {{"direction", "received"}})),
      embedding_transfer_errors(CounterPer<TransferError>(
          m, "tandem_embedding_transfer_errors_total",
          "Transfers of embeddings that failed.", "reason")) {}

void LlmMetrics::SetModelInfo(Metrics& m, const LlmModelInfo& info) {
  metrics::Gauge(m, "tandem_model_info", "The model that is served.",
                 {{"model", info.model},
                  {"dtype", info.dtype},
                  {"fingerprint", info.fingerprint},
                  {"max_model_len", std::to_string(info.max_model_len)},
                  {"block_size", std::to_string(info.block_size)},
                  {"num_blocks", std::to_string(info.num_blocks)}})
      .Set(1);
}

}  // namespace tandem
