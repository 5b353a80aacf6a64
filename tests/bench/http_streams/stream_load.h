#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tandem {

// Many streams at once against a gateway over a paced_llm.
struct StreamLoadOptions {
  std::string address;    // of the gateway's HTTP
  int num_streams = 0;    // a connection each
  int num_tokens = 0;     // of each answer
  double per_second = 0;  // tokens of one answer, as paced_llm was told
  int gateway_pid = 0;    // whose memory and time are looked at
};

struct StreamLoadResult {
  int complete = 0;         // 200, every event in order, ended with [DONE]
  int refused = 0;          // 429
  int refused_delayed = 0;  // of them, those with retry-after-ms
  int closed = 0;           // without an answer
  int wrong = 0;            // all others
  std::string wrong_head;   // of the first of these
  int most_open = 0;        // streams that had begun and not ended
  // When each event with a token came, less when it was due: the stream's
  // first one, and its number / per_second later. Milliseconds, sorted; first
  // events are not among them.
  std::vector<double> late;
  // From the first request that was sent to a stream's first event.
  std::vector<double> first_event;      // milliseconds, sorted
  double rss_before = 0, rss_most = 0;  // bytes; looked at once a second
  double cpu_seconds = 0, seconds = 0;
};

// Connects all, then asks on all, then reads until every connection has its
// answer's end. One thread, which waits in epoll. FAILED_PRECONDITION where it
// cannot connect.
absl::StatusOr<StreamLoadResult> RunStreamLoad(
    const StreamLoadOptions& options);

}  // namespace tandem
