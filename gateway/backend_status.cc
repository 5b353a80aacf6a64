#include "gateway/backend_status.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/log.h"

namespace tandem {

bool IsTransportFailure(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE &&
         status.error_details().empty();
}

absl::Status BackendStatus(Backend backend, absl::string_view address,
                           absl::string_view request_id,
                           const grpc::Status& status) {
  if (!IsTransportFailure(status) &&
      status.error_code() != grpc::StatusCode::CANCELLED) {
    return FromGrpcStatus(status);
  }
  const absl::string_view service = LabelOf(backend);
  LogWarning("a backend was lost", {{kLogRequestId, request_id},
                                    {"service", service},
                                    {"address", address},
                                    {"status", status.error_message()}});
  return RetryableError(
      absl::StatusCode::kUnavailable, reason::kBackendUnavailable,
      absl::StrCat("the ", service, " service cannot be reached"),
      absl::Seconds(1), {{"service", std::string(service)}});
}

}  // namespace tandem
