#include "cli/openai_error.h"

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using Json = nlohmann::json;

absl::StatusCode CodeOfHttp(int http_status) {
  switch (http_status) {
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
    case 405:
      return absl::StatusCode::kNotFound;
    case 408:
    case 504:
      return absl::StatusCode::kDeadlineExceeded;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    case 501:
      return absl::StatusCode::kUnimplemented;
    case 502:
    case 503:
      return absl::StatusCode::kUnavailable;
    default:
      break;
  }
  return http_status >= 400 && http_status < 500
             ? absl::StatusCode::kInvalidArgument
             : absl::StatusCode::kInternal;
}

absl::StatusCode CodeOfType(const std::string& type, const std::string& code) {
  if (type == "invalid_request_error") {
    return absl::StatusCode::kInvalidArgument;
  }
  if (type == "authentication_error") return absl::StatusCode::kUnauthenticated;
  if (type == "permission_error") return absl::StatusCode::kPermissionDenied;
  if (type == "timeout_error") return absl::StatusCode::kDeadlineExceeded;
  if (type == "rate_limit_error" || type == "overloaded_error") {
    return absl::StatusCode::kResourceExhausted;
  }
  return code == "unavailable" || code == "peer_lost"
             ? absl::StatusCode::kUnavailable
             : absl::StatusCode::kInternal;
}

// Other words than ours in lower case.
std::string ReasonOf(const std::string& code) {
  static const auto* const kReasons = new std::map<std::string, std::string>{
      {"invalid_value", reason::kFieldInvalid},
      {"queue_full", reason::kOverloaded},
      {"rate_limit_exceeded", reason::kQuotaExceeded},
      {"unavailable", reason::kBackendUnavailable},
      {"invalid_api_key", reason::kCredentialsInvalid},
  };
  const auto found = kReasons->find(code);
  return found != kReasons->end() ? found->second : absl::AsciiStrToUpper(code);
}

std::string Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string();
}

// "messages[0].content[1].image_url.url" is about the image there.
std::string FieldOf(const std::string& param) {
  const size_t at = param.find("].image_url");
  return at == std::string::npos ? param
                                 : absl::StrCat(param.substr(0, at), "].image");
}

}  // namespace

absl::Status FromOpenAiError(const Json& error, int http_status) {
  if (!error.is_object()) {
    return MakeError(CodeOfHttp(http_status), "",
                     error.is_string() ? error.get<std::string>()
                                       : "the server names no reason");
  }
  const std::string code = Text(error, "code");
  const absl::StatusCode status_code =
      http_status != 0 ? CodeOfHttp(http_status)
                       : CodeOfType(Text(error, "type"), code);
  const std::string message = Text(error, "message");
  const std::string param = Text(error, "param");
  if (status_code != absl::StatusCode::kInvalidArgument || param.empty()) {
    return MakeError(status_code, ReasonOf(code), message);
  }
  absl::string_view description = message;
  absl::ConsumePrefix(&description, absl::StrCat(param, ": "));
  return FieldError(FieldOf(param), ReasonOf(code), description);
}

absl::Status FromHttpError(absl::string_view body, int http_status,
                           absl::Duration retry_delay) {
  const Json json = Json::parse(body.begin(), body.end(), nullptr,
                                /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("error")) {
    return MakeError(
        CodeOfHttp(http_status), "",
        absl::StrCat("the server answered HTTP ", http_status,
                     ", not as an OpenAI-compatible server would"));
  }
  const absl::Status status = FromOpenAiError(json["error"], http_status);
  const bool may_retry =
      absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
  if (retry_delay <= absl::ZeroDuration() || !may_retry) return status;
  return RetryableError(status.code(), ErrorReason(status), status.message(),
                        retry_delay);
}

}  // namespace tandem
