// Where a request's time went, as the gateway saw it.
#include <algorithm>

#include "common/errors.h"
#include "common/log.h"
#include "gateway/chat_session.h"

namespace tandem {
namespace {

double Milliseconds(absl::Duration duration) {
  return absl::ToDoubleMilliseconds(std::max(duration, absl::ZeroDuration()));
}

}  // namespace

void ChatSession::MeasureChunk(int num_tokens) {
  if (num_tokens == 0) return;  // Text that was held back, or the end.
  const absl::Duration now = engine_.clock_.Monotonic();
  GatewayMetrics& metrics = engine_.metrics_;
  if (!first_token_.has_value()) {
    first_token_ = now;
    metrics
        .time_to_first_token_seconds[ImageCountOf(
            static_cast<int>(plan_.images.size()))]
        .Observe(absl::ToDoubleSeconds(now - received_));
  } else {
    // Tokens that came together share the wait for them.
    const double gap = absl::ToDoubleSeconds(now - last_token_) / num_tokens;
    for (int i = 0; i < num_tokens; ++i) {
      metrics.inter_token_latency_seconds.Observe(gap);
    }
  }
  last_token_ = now;
}

v1::Timings ChatSession::MeasureLastChunk(const v1::Timings& llm) {
  const absl::Duration now = engine_.clock_.Monotonic();
  llm_timings_ = llm;
  v1::Timings timings = llm;
  timings.set_queue(Milliseconds(admitted_ - received_));
  timings.set_time_to_first_token(
      Milliseconds(first_token_.value_or(received_) - received_));
  timings.set_total(Milliseconds(now - received_));
  return timings;
}

// The llm service measured from image_decode to decode; what lies before,
// between and after is ours. The stages tile the request: an answer without a
// token has its first one at its end.
void ChatSession::CountStages(absl::Duration end) {
  const v1::Timings& llm = llm_timings_;
  const double total = Milliseconds(end - received_);
  const double first_token =
      Milliseconds(first_token_.value_or(end) - received_);
  const double parse = Milliseconds(generate_begin_.value_or(end) - received_);
  const double until_prefill =
      llm.image_decode() + llm.preprocess() + llm.encode_queue() +
      llm.encode() + llm.transfer() + llm.decode_queue() + llm.prefill();
  const auto observe = [this](Stage stage, double milliseconds) {
    engine_.metrics_.stage_duration_seconds[stage].Observe(
        std::max(milliseconds, 0.0) / 1000);
  };
  observe(Stage::kParse, parse);
  observe(Stage::kImageDecode, llm.image_decode());
  observe(Stage::kPreprocess, llm.preprocess());
  observe(Stage::kEncodeQueue, llm.encode_queue());
  observe(Stage::kEncode, llm.encode());
  observe(Stage::kTransfer, llm.transfer());
  observe(Stage::kDecodeQueue, llm.decode_queue());
  observe(Stage::kPrefill, llm.prefill());
  observe(Stage::kFirstToken, first_token - parse - until_prefill);
  observe(Stage::kDecode, llm.decode());
  observe(Stage::kFinish, total - first_token - llm.decode());
  if (num_tokens_ > 1) {
    engine_.metrics_.time_per_output_token_seconds.Observe(
        (total - first_token) / 1000 / (num_tokens_ - 1));
  }
}

void ChatSession::CountEnd(const absl::Status& status, absl::Duration end,
                           const AccessPass* pass) {
  GatewayMetrics& metrics = engine_.metrics_;
  int num_tokens = 0, num_attempts = 0;
  {
    absl::MutexLock lock(&mutex_);
    num_tokens = num_tokens_;
    num_attempts = num_attempts_;
    if (has_last_chunk_) CountStages(end);
    if (absl::IsCancelled(status) && !generate_begin_.has_value()) {
      metrics.cancelled_in_parse.Increment();
    }
  }
  if (absl::IsDeadlineExceeded(status) && num_attempts == 0) {
    metrics.admission_rejections[Rejection::kDeadline].Increment();
  }
  LogInfo("chat ended", {{kLogRequestId, call_.request_id},
                         {kLogTraceId, call_.trace.trace_id},
                         {"key_id", pass == nullptr ? "" : pass->key_id()},
                         {"status", absl::StatusCodeToString(status.code())},
                         {"reason", ErrorReason(status)},
                         {"images", plan_.images.size()},
                         {"tiles", plan_.num_tiles()},
                         {"tokens", num_tokens},
                         {"attempts", num_attempts},
                         {"seconds", end - received_}});
}

}  // namespace tandem
