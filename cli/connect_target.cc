#include "cli/connect_target.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

absl::StatusOr<HostPort> ParseHttpAddress(absl::string_view address) {
  absl::ConsumeSuffix(&address, "/");
  absl::ConsumeSuffix(&address, "/v1");
  TANDEM_ASSIGN_OR_RETURN(HostPort parsed, ParseHostPort(address));
  if (parsed.port != 0) return parsed;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", address, "\" has port 0, where nobody listens"));
}

absl::StatusOr<ConnectTarget> Parse(absl::string_view text) {
  ConnectTarget target;
  target.is_http = absl::ConsumePrefix(&text, "http://");
  if (target.is_http) {
    TANDEM_ASSIGN_OR_RETURN(target.http_address, ParseHttpAddress(text));
    return target;
  }
  absl::ConsumePrefix(&text, "grpc://");
  TANDEM_RETURN_IF_ERROR(CheckTarget(text));
  target.grpc_target = std::string(text);
  return target;
}

}  // namespace

absl::StatusOr<ConnectTarget> ParseConnect(const std::string& text) {
  if (absl::StartsWith(text, "https://")) {
    return absl::UnimplementedError(absl::StrCat(
        "--connect: ", text,
        ": https is not built; give http://HOST:PORT, or that of a proxy that "
        "speaks TLS for you"));
  }
  absl::StatusOr<ConnectTarget> target = Parse(text);
  if (target.ok()) return target;
  return absl::InvalidArgumentError(
      absl::StrCat("--connect: ", target.status().message()));
}

}  // namespace tandem
