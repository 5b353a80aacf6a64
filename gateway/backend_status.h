#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/metrics.h"
#include "gateway/chat_engine.h"
#include "grpcpp/support/status.h"

namespace tandem {

// Whether the service's process was not reached or was lost; what it said
// itself has details.
bool IsTransportFailure(const grpc::Status& status);

// How a call on a replica at `address` ended, in words that a client may see:
// gRPC's own messages name addresses, so those of a transport failure go to the
// log, and UNAVAILABLE BACKEND_UNAVAILABLE with a delay comes out. So it does
// where the llm service says BACKEND_UNAVAILABLE of a vision service, and where
// the service dropped the call (CANCELLED): who cancelled calls here knows, and
// does not ask.
absl::Status BackendStatus(Backend backend, absl::string_view address,
                           const ChatEngine::Call& call,
                           const grpc::Status& status);

}  // namespace tandem
