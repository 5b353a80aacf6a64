#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/health.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace tandem {

// Every metric of Tandem, by the service that owns it. All series are made,
// with zeros, when the object is; after that a caller holds references and
// nothing looks a series up by name. In `tandem serve` three services share one
// registry; what they share in a family differs in a label, so nothing is
// counted twice. Durations are in seconds, monotonic, within one process.
// Everything here is thread-safe.

// The closed label sets. LabelOf gives the text; kCount is no value.
enum class Api { kGrpc, kOpenAi, kKserve, kCount };
enum class Method {
  kChat,
  kListModels,
  kGetModel,
  kCountTokens,
  kOther,
  kCount
};
// Of a request, in order; they tile it without gap or overlap.
enum class Stage {
  kParse,
  kImageDecode,
  kPreprocess,
  kEncodeQueue,
  kEncode,
  kTransfer,
  kDecodeQueue,
  kPrefill,
  kFirstToken,
  kDecode,
  kFinish,
  kCount
};
enum class Rejection {
  kQueueFull,
  kDeadline,
  kQuota,
  kMemory,
  kDraining,
  kCount
};
enum class ImageCount { k0, k1, k2To4, k5Plus, kCount };
enum class ImageFormatLabel { kJpeg, kPng, kWebp, kBmp, kOther, kCount };
enum class ImageResult { kOk, kRejected, kCount };
enum class CacheResult { kHit, kMiss, kEvicted, kCount };
enum class TransferError {
  kCrc,
  kShape,
  kGap,
  kFingerprint,
  kTimeout,
  kPeer,
  kCount
};
enum class Backend { kVision, kLlm, kCount };
enum class BackendState { kReady, kUnready, kOpenCircuit, kCount };
enum class DeviceMemory { kUsed, kReserved, kFree, kLimit, kCount };
enum class Streaming { kNo, kYes, kCount };

absl::string_view LabelOf(Api value);               // grpc, openai, kserve
absl::string_view LabelOf(Method value);            // chat, list_models, ...
absl::string_view LabelOf(Stage value);             // parse, image_decode, ...
absl::string_view LabelOf(Rejection value);         // queue_full, ...
absl::string_view LabelOf(ImageCount value);        // 0, 1, 2_4, 5_plus
absl::string_view LabelOf(ImageFormatLabel value);  // jpeg, ...
absl::string_view LabelOf(ImageResult value);       // ok, rejected
absl::string_view LabelOf(CacheResult value);       // hit, miss, evicted
absl::string_view LabelOf(TransferError value);     // crc, ...
absl::string_view LabelOf(Backend value);           // vision, llm
absl::string_view LabelOf(BackendState value);      // ready, ...
absl::string_view LabelOf(DeviceMemory value);      // used, ...
absl::string_view LabelOf(Streaming value);         // false, true
// A gRPC code by its name: OK, INVALID_ARGUMENT. 17 of them.
absl::string_view LabelOf(absl::StatusCode value);

ImageCount ImageCountOf(int num_images);

template <class Label>
inline constexpr size_t kNumLabels = static_cast<size_t>(Label::kCount);
template <>
inline constexpr size_t kNumLabels<absl::StatusCode> = 17;

// The series of one family with one label: `family[Stage::kParse].Observe(s)`.
// A value that this service does not own must not be asked for.
template <class Metric, class Label>
class PerLabel {
 public:
  Metric& operator[](Label label) const {
    return *series_[static_cast<size_t>(label)];
  }
  void Set(Label label, Metric& metric) {
    series_[static_cast<size_t>(label)] = &metric;
  }

 private:
  std::array<Metric*, kNumLabels<Label>> series_{};
};
// With two labels: `images[ImageFormatLabel::kJpeg][ImageResult::kOk]`.
template <class Metric, class First, class Second>
class PerLabels {
 public:
  const PerLabel<Metric, Second>& operator[](First first) const {
    return rows_[static_cast<size_t>(first)];
  }
  PerLabel<Metric, Second>& operator[](First first) {
    return rows_[static_cast<size_t>(first)];
  }

 private:
  std::array<PerLabel<Metric, Second>, kNumLabels<First>> rows_;
};

struct BuildInfo {
  std::string backend = "none";  // "cpu", "cuda"; "none" without tensors
  std::string torch = {};        // its version, or ""
  // Of the CPU kernels, chosen when the program starts: "generic", "avx2",
  // "avx512"; "" without. Results are equal bit by bit on one of them only.
  std::string cpu_level = {};
};

// The registry of one process and what every process reports: build, readiness,
// heartbeats, memory, CPU time, file descriptors.
class Metrics {
 public:
  // `health` must outlive this.
  Metrics(const BuildInfo& build, const Health& health);
  ~Metrics();

  prometheus::Registry& registry() { return registry_; }

  // All families in the Prometheus text format, version 0.0.4, with fresh
  // process values. Takes no engine's lock.
  std::string Text() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Process;

  const Health& health_;
  prometheus::Registry registry_;
  absl::Mutex mutex_;
  std::unique_ptr<Process> process_ ABSL_GUARDED_BY(mutex_);
};

// What a service that computes on a device reports. Two services on one device
// share the series.
struct DeviceMetrics {
  // `device` as the options name it: "cpu", "cuda:0".
  DeviceMetrics(Metrics& metrics, absl::string_view device);

  PerLabel<prometheus::Gauge, DeviceMemory> memory_bytes;
  // Adds up over the services of one process.
  prometheus::Gauge& model_load_seconds;
};

// tandem_device_info, once for each card; of a CPU vendor is "none", name "cpu"
// and uuid "".
void SetDeviceInfo(Metrics& metrics, absl::string_view vendor,
                   absl::string_view name, absl::string_view uuid);

struct GatewayMetrics {
  explicit GatewayMetrics(Metrics& metrics);

  // Finished calls; codes are those of the answer.
  std::array<PerLabels<prometheus::Counter, Method, absl::StatusCode>,
             kNumLabels<Api>>
      requests;
  PerLabel<prometheus::Gauge, Api> requests_in_flight;
  PerLabels<prometheus::Histogram, Api, Streaming> request_duration_seconds;
  PerLabel<prometheus::Counter, Rejection> admission_rejections;
  PerLabel<prometheus::Histogram, ImageCount> time_to_first_token_seconds;
  prometheus::Histogram& inter_token_latency_seconds;
  // Per request with two tokens or more: (total - TTFT) / (tokens - 1).
  prometheus::Histogram& time_per_output_token_seconds;
  PerLabel<prometheus::Histogram, Stage> stage_duration_seconds;
  PerLabels<prometheus::Gauge, Backend, BackendState> backend_replicas;
  PerLabels<prometheus::Counter, Backend, absl::StatusCode> backend_retries;
  // Requests whose client went away before an llm service had them.
  prometheus::Counter& cancelled_in_parse;

  void CountRequest(Api api, Method method, absl::StatusCode code) {
    requests[static_cast<size_t>(api)][method][code].Increment();
  }
};

struct VisionMetrics {
  explicit VisionMetrics(Metrics& metrics);

  PerLabels<prometheus::Counter, ImageFormatLabel, ImageResult> images;
  prometheus::Histogram& image_tiles;  // thumbnail counted
  prometheus::Histogram& image_bytes;
  prometheus::Histogram& image_pixels;
  prometheus::Histogram& batch_tiles;
  prometheus::Gauge& queue_depth;  // tiles
  prometheus::Gauge& queue_limit;
  PerLabel<prometheus::Counter, CacheResult> cache_requests;
  prometheus::Gauge& cache_bytes;
  prometheus::Counter& numeric_faults;
  prometheus::Counter& device_oom;
};

struct LlmModelInfo {
  std::string model, dtype, fingerprint;
  int max_model_len = 0, block_size = 0, num_blocks = 0;
};

struct LlmMetrics {
  // `max_context_tokens` ends the buckets of request sizes.
  LlmMetrics(Metrics& metrics, absl::string_view model, int max_context_tokens);

  // Once the pool of blocks is known.
  void SetModelInfo(Metrics& metrics, const LlmModelInfo& info);

  prometheus::Counter& prompt_tokens;  // image tokens counted
  prometheus::Counter& image_tokens;
  prometheus::Counter& generated_tokens;
  prometheus::Histogram& request_prompt_tokens;
  prometheus::Histogram& request_generated_tokens;
  prometheus::Histogram& batch_sequences;
  prometheus::Gauge& queue_depth;  // sequences
  prometheus::Gauge& queue_limit;
  prometheus::Gauge& requests_running;
  prometheus::Gauge& requests_waiting;
  prometheus::Gauge& kv_cache_usage_ratio;
  prometheus::Gauge& kv_cache_blocks;
  prometheus::Gauge& kv_cache_blocks_free;
  prometheus::Counter& preemptions;
  // By the stage that a request was cancelled in: kTransfer, kDecodeQueue,
  // kPrefill or kDecode.
  PerLabel<prometheus::Counter, Stage> cancelled_requests;
  prometheus::Counter& tokens_after_cancel;
  // kPrefill or kDecode.
  PerLabel<prometheus::Counter, Stage> numeric_faults;
  PerLabel<prometheus::Counter, Stage> device_oom;
  // `data` of verified chunks, without framing.
  prometheus::Counter& embedding_received_bytes;
  PerLabel<prometheus::Counter, TransferError> embedding_transfer_errors;
};

}  // namespace tandem
