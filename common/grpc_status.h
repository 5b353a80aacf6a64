#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace tandem {

// The one place where a status meets gRPC. The payloads of common/errors.h
// travel as a google.rpc.Status in grpc-status-details-bin. A failed status
// without a reason gets one: INTERNAL or the code's own name.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The reverse. Details that are no google.rpc.Status are dropped; a transport
// failure (UNAVAILABLE without details) gets reason BACKEND_UNAVAILABLE.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace tandem
