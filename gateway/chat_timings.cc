// Where a request's time went, as the gateway saw it.
#include <algorithm>

#include "common/log.h"
#include "gateway/chat_session.h"

namespace tandem {
namespace {

double Milliseconds(absl::Duration duration) {
  return absl::ToDoubleMilliseconds(std::max(duration, absl::ZeroDuration()));
}

double NotNegative(double value) { return std::max(value, 0.0); }

}  // namespace

void ChatSession::MeasureChunk(int num_tokens) {
  if (num_tokens == 0) return;  // Text that was held back, or the end.
  const absl::Duration now = engine_.clock_.Monotonic();
  GatewayMetrics& metrics = engine_.metrics_;
  if (first_chunk_ == absl::Duration()) {
    first_chunk_ = now;
    metrics
        .time_to_first_token_seconds[ImageCountOf(
            static_cast<int>(plan_.images.size()))]
        .Observe(absl::ToDoubleSeconds(now - received_));
  } else {
    // Tokens that came together share the wait for them.
    const double gap = absl::ToDoubleSeconds(now - last_chunk_) / num_tokens;
    for (int i = 0; i < num_tokens; ++i) {
      metrics.inter_token_latency_seconds.Observe(gap);
    }
  }
  last_chunk_ = now;
}

// The llm service measured from image_decode to decode; what lies before,
// between and after is ours. The stages tile the request.
v1::Timings ChatSession::MeasureEnd(const v1::Timings& llm) {
  const absl::Duration now = engine_.clock_.Monotonic();
  v1::Timings timings = llm;
  const double total = Milliseconds(now - received_);
  const double first_token = Milliseconds(first_chunk_ - received_);
  const double parse = Milliseconds(generate_begin_ - received_);
  const double until_prefill =
      llm.image_decode() + llm.preprocess() + llm.encode_queue() +
      llm.encode() + llm.transfer() + llm.decode_queue() + llm.prefill();
  timings.set_queue(Milliseconds(admitted_ - received_));
  timings.set_time_to_first_token(first_token);
  timings.set_total(total);

  const auto observe = [this](Stage stage, double milliseconds) {
    engine_.metrics_.stage_duration_seconds[stage].Observe(
        NotNegative(milliseconds) / 1000);
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
        NotNegative(total - first_token) / 1000 / (num_tokens_ - 1));
  }
  return timings;
}

void ChatSession::CountEnd(const absl::Status& status) {
  const absl::Duration total = engine_.clock_.Monotonic() - received_;
  GatewayMetrics& metrics = engine_.metrics_;
  metrics.requests_in_flight[call_.api].Decrement();
  metrics.CountRequest(call_.api, Method::kChat, status.code());
  metrics.request_duration_seconds[call_.api][call_.streaming].Observe(
      absl::ToDoubleSeconds(total));
  LogInfo("chat ended", {{kLogRequestId, call_.request_id},
                         {"status", absl::StatusCodeToString(status.code())},
                         {"images", plan_.images.size()},
                         {"tiles", plan_.num_tiles()},
                         {"tokens", num_tokens_},
                         {"seconds", total}});
}

}  // namespace tandem
