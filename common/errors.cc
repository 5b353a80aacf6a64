#include "common/errors.h"

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace tandem {
namespace {

// A message crosses the wire twice (percent-encoded in grpc-message, in base64
// within the details), so these keep even a message in Chinese below 8 KiB of
// trailers, the least that a peer accepts.
constexpr size_t kMaxMessageBytes = 768;
constexpr size_t kMaxFieldBytes = 256;
constexpr size_t kMaxNameBytes = 128;  // of a resource, a request
constexpr size_t kMaxDescriptionBytes = 512;
constexpr size_t kMaxMetadataBytes = 768;  // keys and values together
constexpr char kEllipsis[] = "...";

// Bytes of the well-formed UTF-8 character at the start of `text`, else 0.
size_t CharacterBytes(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  size_t size = 0;
  uint32_t value = 0;
  if (byte(0) < 0x80) return 1;
  if (byte(0) >= 0xC2 && byte(0) < 0xE0) size = 2, value = byte(0) & 0x1F;
  if (byte(0) >= 0xE0 && byte(0) < 0xF0) size = 3, value = byte(0) & 0x0F;
  if (byte(0) >= 0xF0 && byte(0) < 0xF5) size = 4, value = byte(0) & 0x07;
  if (size == 0 || size > text.size()) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    value = value << 6 | (byte(i) & 0x3F);
  }
  const bool surrogate = value >= 0xD800 && value < 0xE000;
  const bool overlong =
      (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  return surrogate || overlong || value > 0x10FFFF ? 0 : size;
}

// `text` as valid UTF-8 (a protobuf string must be) of at most `limit` bytes.
std::string Clean(absl::string_view text, size_t limit) {
  std::string clean;
  while (!text.empty()) {
    const size_t size = CharacterBytes(text);
    if (clean.size() + std::max<size_t>(size, 1) + sizeof(kEllipsis) - 1 >
            limit &&
        clean.size() + text.size() > limit) {
      return clean + kEllipsis;
    }
    absl::StrAppend(&clean, size == 0 ? "?" : text.substr(0, size));
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return clean;
}

template <class Detail>
std::string TypeUrl() {
  return absl::StrCat("type.googleapis.com/",
                      Detail::descriptor()->full_name());
}

template <class Detail>
void SetDetail(const Detail& detail, absl::Status& status) {
  status.SetPayload(TypeUrl<Detail>(), absl::Cord(detail.SerializeAsString()));
}

template <class Detail>
absl::optional<Detail> GetDetail(const absl::Status& status) {
  const absl::optional<absl::Cord> payload =
      status.GetPayload(TypeUrl<Detail>());
  Detail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload)))
    return absl::nullopt;
  return detail;
}

void SetField(absl::string_view field, absl::string_view description,
              absl::Status& status) {
  google::rpc::BadRequest request;
  auto* violation = request.add_field_violations();
  violation->set_field(Clean(field, kMaxFieldBytes));
  violation->set_description(Clean(description, kMaxDescriptionBytes));
  SetDetail(request, status);
}

void SetResource(absl::string_view type, absl::string_view name,
                 absl::Status& status) {
  google::rpc::ResourceInfo info;
  info.set_resource_type(std::string(type));
  info.set_resource_name(Clean(name, kMaxNameBytes));
  SetDetail(info, status);
}

// What a reason promises beside its ErrorInfo.
void SetDetailOf(absl::string_view reason, const ErrorMetadata& metadata,
                 absl::Status& status) {
  const auto value = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  if (reason == reason::kModelNotFound) {
    SetResource("model", value("model"), status);
  } else if (reason == reason::kEmbeddingExpired) {
    SetResource("image", value("image"), status);
  } else if (reason == reason::kEmbeddingIncompatible) {
    google::rpc::PreconditionFailure failure;
    auto* violation = failure.add_violations();
    violation->set_type(reason::kEmbeddingIncompatible);
    violation->set_subject(Clean(value("check"), kMaxNameBytes));
    violation->set_description(Clean(status.message(), kMaxFieldBytes));
    SetDetail(failure, status);
  } else if (reason == reason::kQuotaExceeded) {
    google::rpc::QuotaFailure failure;
    auto* violation = failure.add_violations();
    violation->set_subject(
        absl::StrCat("key:", Clean(value("key"), kMaxNameBytes)));
    violation->set_description(Clean(status.message(), kMaxFieldBytes));
    SetDetail(failure, status);
  }
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, absl::string_view reason,
                       absl::string_view message, ErrorMetadata metadata) {
  absl::Status status(code, Clean(message, kMaxMessageBytes));
  google::rpc::ErrorInfo info;
  info.set_reason(Clean(reason, 63));
  info.set_domain("tandem");
  size_t room = kMaxMetadataBytes;
  for (const auto& [key, value] : metadata) {
    const std::string clean_key = Clean(key, 64);
    if (room < clean_key.size() + sizeof(kEllipsis)) break;
    room -= clean_key.size();
    const std::string clean_value = Clean(value, std::min<size_t>(room, 256));
    room -= clean_value.size();
    (*info.mutable_metadata())[clean_key] = clean_value;
  }
  SetDetail(info, status);
  SetDetailOf(reason, metadata, status);
  return status;
}

absl::Status FieldError(absl::string_view field,
                        absl::string_view description) {
  return FieldError(field, reason::kFieldInvalid, description);
}

absl::Status FieldError(absl::string_view field, absl::string_view reason,
                        absl::string_view description) {
  absl::Status status = MakeError(absl::StatusCode::kInvalidArgument, reason,
                                  absl::StrCat(field, ": ", description));
  SetField(field, description, status);
  return status;
}

absl::Status RetryableError(absl::StatusCode code, absl::string_view reason,
                            absl::string_view message, absl::Duration delay,
                            ErrorMetadata metadata) {
  absl::Status status = MakeError(code, reason, message, std::move(metadata));
  google::rpc::RetryInfo info;
  const int64_t nanoseconds = absl::ToInt64Nanoseconds(
      std::clamp(delay, absl::ZeroDuration(), absl::Hours(24)));
  info.mutable_retry_delay()->set_seconds(nanoseconds / 1'000'000'000);
  info.mutable_retry_delay()->set_nanos(
      static_cast<int32_t>(nanoseconds % 1'000'000'000));
  SetDetail(info, status);
  return status;
}

absl::Status WithRequestId(absl::Status status, absl::string_view request_id) {
  if (status.ok()) return status;
  google::rpc::RequestInfo info;
  info.set_request_id(Clean(request_id, kMaxNameBytes));
  SetDetail(info, status);
  return status;
}

std::string ErrorReason(const absl::Status& status) {
  const auto info = GetDetail<google::rpc::ErrorInfo>(status);
  return info ? info->reason() : "";
}

ErrorMetadata ErrorMetadataOf(const absl::Status& status) {
  const auto info = GetDetail<google::rpc::ErrorInfo>(status);
  if (!info) return {};
  return ErrorMetadata(info->metadata().begin(), info->metadata().end());
}

absl::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  const auto info = GetDetail<google::rpc::RetryInfo>(status);
  if (!info || !info->has_retry_delay()) return absl::nullopt;
  return absl::Seconds(info->retry_delay().seconds()) +
         absl::Nanoseconds(info->retry_delay().nanos());
}

std::string ErrorRequestId(const absl::Status& status) {
  const auto info = GetDetail<google::rpc::RequestInfo>(status);
  return info ? info->request_id() : "";
}

std::string ErrorField(const absl::Status& status) {
  const auto request = GetDetail<google::rpc::BadRequest>(status);
  if (!request || request->field_violations().empty()) return "";
  return request->field_violations(0).field();
}

absl::Status AtField(const absl::Status& status, absl::string_view field) {
  if (status.ok()) return status;
  const std::string inner = ErrorField(status);
  absl::Status said(
      status.code(),
      Clean(absl::StrCat(field, inner.empty() ? ": " : ".", status.message()),
            kMaxMessageBytes));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    said.SetPayload(url, payload);
  });
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    const auto request = GetDetail<google::rpc::BadRequest>(status);
    SetField(
        inner.empty() ? std::string(field) : absl::StrCat(field, ".", inner),
        inner.empty() ? status.message()
                      : request->field_violations(0).description(),
        said);
  }
  return said;
}

}  // namespace tandem
