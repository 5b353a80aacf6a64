#include "gateway/openai_error.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/errors.h"
#include "common/request_id.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

struct Kind {
  int http_status;
  const char* type;
  std::string code;  // empty: none
};

std::string LowerCase(absl::string_view reason) {
  return absl::AsciiStrToLower(reason);
}

Kind InvalidArgument(const std::string& reason) {
  std::string code = LowerCase(reason);
  if (reason.empty() || reason == reason::kFieldInvalid) code = "invalid_value";
  return {400, "invalid_request_error", std::move(code)};
}

Kind Exhausted(const std::string& reason) {
  if (reason == reason::kQuotaExceeded) {
    return {429, "rate_limit_error", "rate_limit_exceeded"};
  }
  const bool queue = reason.empty() || reason == reason::kOverloaded;
  return {429, "overloaded_error", queue ? "queue_full" : LowerCase(reason)};
}

Kind Unavailable(const std::string& reason) {
  const bool plain = reason.empty() || reason == reason::kBackendUnavailable ||
                     reason == reason::kDraining;
  return {503, "server_error", plain ? "unavailable" : LowerCase(reason)};
}

Kind KindOf(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return InvalidArgument(reason);
    case absl::StatusCode::kUnauthenticated:
      return {401, "authentication_error", "invalid_api_key"};
    case absl::StatusCode::kPermissionDenied:
      return {403, "permission_error", LowerCase(reason)};
    case absl::StatusCode::kNotFound:
      return {404, "invalid_request_error", LowerCase(reason)};
    case absl::StatusCode::kResourceExhausted:
      return Exhausted(reason);
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return Unavailable(reason);
    case absl::StatusCode::kDeadlineExceeded:
      return {504, "timeout_error", LowerCase(reason)};
    case absl::StatusCode::kCancelled:
      return {499, "server_error", "cancelled"};
    case absl::StatusCode::kUnimplemented:
      return {501, "invalid_request_error", "unsupported_parameter"};
    default:
      return {500, "server_error", LowerCase(reason)};
  }
}

std::string ErrorJson(absl::string_view message, const char* type,
                      const std::string& param, const std::string& code) {
  nlohmann::ordered_json error = {{"message", std::string(message)},
                                  {"type", type},
                                  {"param", nullptr},
                                  {"code", nullptr}};
  if (!param.empty()) error["param"] = param;
  if (!code.empty()) error["code"] = code;
  return nlohmann::ordered_json{{"error", std::move(error)}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
}

HttpResponse JsonResponse(int http_status, std::string body,
                          const std::string& request_id) {
  return {.status = http_status,
          .content_type = "application/json",
          .body = std::move(body),
          .headers = {{kRequestIdHeader, request_id},
                      {"X-Content-Type-Options", "nosniff"}}};
}

// SDKs repeat some statuses by themselves; a lost peer and a deadline are for
// them to judge.
bool IsFinal(const absl::Status& status) {
  return !absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status);
}

}  // namespace

int OpenAiHttpStatus(const absl::Status& status) {
  return KindOf(status).http_status;
}

std::string OpenAiErrorJson(const absl::Status& status) {
  const Kind kind = KindOf(status);
  return ErrorJson(status.message(), kind.type, ErrorField(status), kind.code);
}

HttpResponse OpenAiErrorResponse(const absl::Status& status,
                                 const std::string& request_id) {
  HttpResponse response = JsonResponse(OpenAiHttpStatus(status),
                                       OpenAiErrorJson(status), request_id);
  if (const auto delay = RetryDelay(status)) {
    const int64_t ms =
        absl::ToInt64Milliseconds(absl::Ceil(*delay, absl::Milliseconds(1)));
    response.headers.emplace_back("retry-after-ms", absl::StrCat(ms));
    response.headers.emplace_back("Retry-After",
                                  absl::StrCat((ms + 999) / 1000));
  } else if (IsFinal(status)) {
    response.headers.emplace_back("x-should-retry", "false");
  }
  return response;
}

HttpResponse OpenAiRefusal(int http_status, const std::string& message,
                           const std::string& request_id) {
  const bool server = http_status >= 500;
  const bool busy = http_status == 429;
  const char* type = server ? "server_error"
                     : busy ? "overloaded_error"
                            : "invalid_request_error";
  const char* code = "";
  if (http_status == 404) code = "not_found";
  if (http_status == 405) code = "method_not_allowed";
  if (http_status == 413) code = "content_too_large";
  if (http_status == 415) code = "unsupported_media_type";
  if (busy) code = "queue_full";
  HttpResponse response =
      JsonResponse(http_status, ErrorJson(message, type, "", code), request_id);
  if (busy) {
    response.headers.emplace_back("retry-after-ms", "1000");
    response.headers.emplace_back("Retry-After", "1");
  }
  return response;
}

}  // namespace tandem
