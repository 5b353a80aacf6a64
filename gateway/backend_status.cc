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

namespace {

// The llm service did not reach a vision service: its text is gRPC's again.
// Whose image it was stays.
absl::Status OfItsBackend(absl::string_view address,
                          const ChatEngine::Call& call,
                          const absl::Status& said) {
  LogWarning("a backend lost its own", {{kLogRequestId, call.request_id},
                                        {kLogTraceId, call.trace.trace_id},
                                        {"address", address},
                                        {"status", said}});
  ErrorMetadata metadata = {
      {"service", std::string(LabelOf(Backend::kVision))}};
  const ErrorMetadata theirs = ErrorMetadataOf(said);
  if (const auto image = theirs.find("image"); image != theirs.end()) {
    metadata.insert(*image);
  }
  return RetryableError(
      absl::StatusCode::kUnavailable, reason::kBackendUnavailable,
      "a vision service cannot be reached", absl::Seconds(1), metadata);
}

}  // namespace

absl::Status BackendStatus(Backend backend, absl::string_view address,
                           const ChatEngine::Call& call,
                           const grpc::Status& status) {
  if (!IsTransportFailure(status) &&
      status.error_code() != grpc::StatusCode::CANCELLED) {
    absl::Status said = FromGrpcStatus(status);
    return ErrorReason(said) == reason::kBackendUnavailable
               ? OfItsBackend(address, call, said)
               : said;
  }
  const absl::string_view service = LabelOf(backend);
  LogWarning("a backend was lost", {{kLogRequestId, call.request_id},
                                    {kLogTraceId, call.trace.trace_id},
                                    {"service", service},
                                    {"address", address},
                                    {"status", status.error_message()}});
  return RetryableError(
      absl::StatusCode::kUnavailable, reason::kBackendUnavailable,
      absl::StrCat("the ", service, " service cannot be reached"),
      absl::Seconds(1), {{"service", std::string(service)}});
}

}  // namespace tandem
