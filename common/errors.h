#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace tandem {

// Why a request failed, in words a program can compare: ErrorInfo.reason with
// ErrorInfo.domain "tandem". proto/tandem/v1 says which method answers which.
namespace reason {
inline constexpr char kFieldInvalid[] = "FIELD_INVALID";
inline constexpr char kUnsupportedParameter[] = "UNSUPPORTED_PARAMETER";
inline constexpr char kImageInvalid[] = "IMAGE_INVALID";
inline constexpr char kImageTruncated[] = "IMAGE_TRUNCATED";
inline constexpr char kImageUnsupportedFormat[] = "IMAGE_UNSUPPORTED_FORMAT";
inline constexpr char kImageTooLarge[] = "IMAGE_TOO_LARGE";
inline constexpr char kContextLengthExceeded[] = "CONTEXT_LENGTH_EXCEEDED";
inline constexpr char kCredentialsMissing[] = "CREDENTIALS_MISSING";
inline constexpr char kCredentialsInvalid[] = "CREDENTIALS_INVALID";
inline constexpr char kAccessDenied[] = "ACCESS_DENIED";
inline constexpr char kQuotaExceeded[] = "QUOTA_EXCEEDED";
inline constexpr char kModelNotFound[] = "MODEL_NOT_FOUND";
inline constexpr char kEmbeddingExpired[] = "EMBEDDING_EXPIRED";
inline constexpr char kEmbeddingCorrupt[] = "EMBEDDING_CORRUPT";
inline constexpr char kEmbeddingIncompatible[] = "EMBEDDING_INCOMPATIBLE";
inline constexpr char kOverloaded[] = "OVERLOADED";
inline constexpr char kBackendUnavailable[] = "BACKEND_UNAVAILABLE";
inline constexpr char kDraining[] = "DRAINING";
inline constexpr char kPeerLost[] = "PEER_LOST";
inline constexpr char kSlowConsumer[] = "SLOW_CONSUMER";
inline constexpr char kDeadlineExceeded[] = "DEADLINE_EXCEEDED";
inline constexpr char kDeviceOutOfMemory[] = "DEVICE_OUT_OF_MEMORY";
inline constexpr char kNumericFault[] = "NUMERIC_FAULT";
inline constexpr char kNotImplemented[] = "NOT_IMPLEMENTED";
inline constexpr char kInternal[] = "INTERNAL";
}  // namespace reason

using ErrorMetadata = std::map<std::string, std::string>;

// A status of `code` whose payload is a google.rpc.ErrorInfo: `reason` (above)
// and every variable that the message mentions. MODEL_NOT_FOUND and
// EMBEDDING_EXPIRED have a google.rpc.ResourceInfo too (metadata "model", else
// "image", names it), EMBEDDING_INCOMPATIBLE a PreconditionFailure (of metadata
// "check"), QUOTA_EXCEEDED a QuotaFailure (of metadata "key"). Message and
// metadata are cut so that the whole stays under 4 KiB: a peer drops larger
// trailers and the code with them.
absl::Status MakeError(absl::StatusCode code, absl::string_view reason,
                       absl::string_view message, ErrorMetadata metadata = {});

// INVALID_ARGUMENT FIELD_INVALID with a google.rpc.BadRequest that names
// `field` as a path ("messages[0].content[2].image"). `description` names the
// value and the bound; the message is "field: description".
absl::Status FieldError(absl::string_view field, absl::string_view description);

// The same with another reason, for images: INVALID_ARGUMENT `reason`.
absl::Status FieldError(absl::string_view field, absl::string_view reason,
                        absl::string_view description);

// RESOURCE_EXHAUSTED or UNAVAILABLE with a google.rpc.RetryInfo.
absl::Status RetryableError(absl::StatusCode code, absl::string_view reason,
                            absl::string_view message, absl::Duration delay,
                            ErrorMetadata metadata = {});

// `status` with a google.rpc.RequestInfo that names the request; OK stays OK.
absl::Status WithRequestId(absl::Status status, absl::string_view request_id);

// What was given to the functions above; empty where a status carries none.
std::string ErrorReason(const absl::Status& status);
ErrorMetadata ErrorMetadataOf(const absl::Status& status);
absl::optional<absl::Duration> RetryDelay(const absl::Status& status);
std::string ErrorRequestId(const absl::Status& status);
// The field of the first violation of a BadRequest.
std::string ErrorField(const absl::Status& status);

// The same failure, said of `field`: "field: message", or where the status
// names a field itself, that one inside of it ("field.max_tiles: ..."). A
// BadRequest names it too where the status is INVALID_ARGUMENT. Other payloads
// are kept.
absl::Status AtField(const absl::Status& status, absl::string_view field);

}  // namespace tandem
