#include "gateway/call_deadline.h"

#include "common/channel.h"

namespace tandem {

void CallDeadline::Set(grpc::ClientContext& context) const {
  SetDeadline(clock_.Now() + Left(), context);
}

// gRPC rounds a timeout up on its way, more coarsely the longer it is; and its
// clock and ours need not agree about the moment.
absl::Duration CallDeadline::ToleranceOf(absl::Duration timeout) {
  absl::Duration step = absl::Milliseconds(1);
  if (timeout > absl::Seconds(1)) step = absl::Milliseconds(10);
  if (timeout > absl::Seconds(10)) step = absl::Milliseconds(100);
  if (timeout > absl::Seconds(100)) step = absl::Seconds(1);
  return step + absl::Milliseconds(5);
}

}  // namespace tandem
