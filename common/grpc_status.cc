#include "common/grpc_status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "common/errors.h"
#include "google/rpc/status.pb.h"

namespace tandem {
namespace {

constexpr char kDetailPrefix[] = "type.googleapis.com/google.rpc.";
// Of message and details together; a peer drops trailers over 8 KiB, and base64
// adds a third.
constexpr size_t kMaxDetailsBytes = 4096;

// `status` with a reason and a bounded message.
absl::Status WithReason(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  absl::Status result = MakeError(
      status.code(),
      reason.empty() ? absl::StatusCodeToString(status.code()) : reason,
      status.message(), ErrorMetadataOf(status));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    if (!result.GetPayload(url)) result.SetPayload(url, payload);
  });
  return result;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const absl::Status bounded = WithReason(status);
  google::rpc::Status details;
  details.set_code(static_cast<int>(bounded.code()));
  details.set_message(std::string(bounded.message()));
  bounded.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    if (!absl::StartsWith(url, kDetailPrefix)) return;
    if (details.ByteSizeLong() + url.size() + payload.size() + 16 >
        kMaxDetailsBytes)
      return;
    google::protobuf::Any& detail = *details.add_details();
    detail.set_type_url(std::string(url));
    detail.set_value(std::string(payload));
  });
  return grpc::Status(static_cast<grpc::StatusCode>(bounded.code()),
                      std::string(bounded.message()),
                      details.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const int code = status.error_code();
  absl::Status result(code > 0 && code <= 16
                          ? static_cast<absl::StatusCode>(code)
                          : absl::StatusCode::kUnknown,
                      status.error_message());
  google::rpc::Status details;
  if (details.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& detail : details.details()) {
      if (absl::StartsWith(detail.type_url(), kDetailPrefix)) {
        result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
      }
    }
  }
  if (code == grpc::StatusCode::UNAVAILABLE && ErrorReason(result).empty()) {
    return MakeError(result.code(), reason::kBackendUnavailable,
                     result.message());
  }
  return result;
}

}  // namespace tandem
