#pragma once

#include "common/clock.h"
#include "common/metrics.h"

namespace tandem {

// One call of a public protocol in the metrics: in flight while this lives and
// End was not called; then counted and timed. Everything borrowed must outlive
// it.
class CallRecord {
 public:
  struct Labels {
    Api api = Api::kGrpc;
    Method method = Method::kOther;
    Streaming streaming = Streaming::kNo;
  };
  CallRecord(GatewayMetrics& metrics, Clock& clock, Labels labels);
  // Ends with UNKNOWN what nobody has ended.
  ~CallRecord();
  CallRecord(const CallRecord&) = delete;
  CallRecord& operator=(const CallRecord&) = delete;

  // Where it is known only when the request was read.
  void SetStreaming(Streaming streaming) { labels_.streaming = streaming; }

  // `code` is the answer's. Counts the first time only.
  void End(absl::StatusCode code);

 private:
  GatewayMetrics& metrics_;
  Clock& clock_;
  Labels labels_;
  const absl::Duration begin_;
  bool ended_ = false;
};

}  // namespace tandem
