#pragma once

#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tandem/v1/types.pb.h"
#include "tandem/v1/vision.pb.h"

namespace tandem {

// Where the time of one request went before its first token, without gap or
// overlap. All moments are Clock::Monotonic of this process.
//
// Tiles overlap with each other, with the queue and with prefill, so the time
// is divided by what ended it: the time before a tile's arrival, back to the
// arrival before it or to the moment it was asked for, went into what that tile
// went through, the last stage first (encode, encode_queue, preprocess,
// image_decode); what its own figures do not explain is transfer. The rest is
// decode_queue until the sequence runs, and prefill from then on.
class StageTimeline {
 public:
  explicit StageTimeline(absl::Duration received) : received_(received) {}

  // A tile came, verified; `timings` are the vision service's.
  void TileArrived(absl::Duration asked, absl::Duration arrived,
                   const v1::TileTimings& timings);
  // The sequence has its place in the running batch.
  void Admitted(absl::Duration now) { admitted_ = now; }

  // The stages up to `first_token`; they add up to first_token - received.
  v1::Timings Stages(absl::Duration first_token) const;

 private:
  absl::Duration ExplainedBetween(absl::Duration begin,
                                  absl::Duration end) const;

  const absl::Duration received_;
  absl::Duration admitted_ = absl::InfiniteDuration();
  // What tiles explain: disjoint, in order.
  std::vector<std::pair<absl::Duration, absl::Duration>> explained_;
  v1::Timings stages_;
};

}  // namespace tandem
