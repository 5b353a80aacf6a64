#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace tandem {

// The same request by HTTP and by gRPC, in turn, one at a time, over one
// connection each that is open already.
struct PairedLoadOptions {
  std::string http_address, grpc_address;
  int num_pairs = 0;
  int num_tokens = 0;  // of each answer, at least 2
};

// One pair; milliseconds. A gap is the mean time between tokens: what a client
// sees from the first event to the last.
struct PairedTimes {
  double http_first = 0, http_gap = 0;
  // As the answer's timings_ms has them; the gap is decode / (tokens - 1).
  double told_first = 0, told_gap = 0;
  double grpc_first = 0, grpc_gap = 0;
};

// Calls `tell` once for each pair. Who is first changes with every pair.
// FAILED_PRECONDITION for an answer that is not complete.
absl::Status RunPairedLoad(const PairedLoadOptions& options,
                           const std::function<void(PairedTimes)>& tell);

}  // namespace tandem
