#pragma once

#include "absl/time/time.h"
#include "common/clock.h"
#include "grpcpp/client_context.h"

namespace tandem {

// When a request must be over: read once from the calendar, which may jump,
// then kept on the monotonic clock. Thread-safe; `clock` must outlive it.
class CallDeadline {
 public:
  CallDeadline(Clock& clock, absl::Time at)
      : clock_(clock),
        at_(clock.Monotonic() + (at - clock.Now())),
        tolerance_(ToleranceOf(Left())) {}

  absl::Duration Left() const { return at_ - clock_.Monotonic(); }

  // Whether a client that gave up now did so for its deadline.
  bool IsWhyClientGaveUp() const { return Left() <= tolerance_; }

  // The same deadline for a call on the request's behalf.
  void Set(grpc::ClientContext& context) const;

 private:
  // How much earlier the client's own deadline may pass.
  static absl::Duration ToleranceOf(absl::Duration timeout);

  Clock& clock_;
  const absl::Duration at_;
  const absl::Duration tolerance_;
};

}  // namespace tandem
