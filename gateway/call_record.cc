#include "gateway/call_record.h"

#include <utility>

namespace tandem {

CallRecord::CallRecord(GatewayMetrics& metrics, Clock& clock, Labels labels)
    : metrics_(metrics),
      clock_(clock),
      labels_(labels),
      begin_(clock.Monotonic()) {
  metrics_.requests_in_flight[labels_.api].Increment();
}

CallRecord::~CallRecord() { End(absl::StatusCode::kUnknown); }

void CallRecord::End(absl::StatusCode code) {
  if (std::exchange(ended_, true)) return;
  metrics_.requests_in_flight[labels_.api].Decrement();
  metrics_.CountRequest(labels_.api, labels_.method, code);
  metrics_.request_duration_seconds[labels_.api][labels_.streaming].Observe(
      absl::ToDoubleSeconds(clock_.Monotonic() - begin_));
}

}  // namespace tandem
