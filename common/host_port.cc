#include "common/host_port.h"

#include <arpa/inet.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tandem {
namespace {

bool IsPort(absl::string_view text, int* port) {
  for (const char c : text) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  return absl::SimpleAtoi(text, port) && *port <= 65535;
}

// What a host may hold; the resolver judges the rest.
bool IsHost(absl::string_view host, bool bracketed) {
  if (host.empty()) return false;
  for (const char c : host) {
    const bool allowed = absl::ascii_isalnum(c) || c == '.' || c == '-' ||
                         c == '_' || (bracketed && (c == ':' || c == '%'));
    if (!allowed) return false;
  }
  return true;
}

}  // namespace

std::string HostPort::ToString() const {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]:", port)
                                      : absl::StrCat(host, ":", port);
}

bool HostPort::IsLoopback() const {
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return ntohl(v4.s_addr) >> 24 == 127;
  }
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&v6);
  }
  return absl::EqualsIgnoreCase(host, "localhost");
}

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  HostPort result;
  if (colon == absl::string_view::npos ||
      !IsPort(text.substr(colon + 1), &result.port)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" is not HOST:PORT with a port in [0, 65535]"));
  }
  absl::string_view host = text.substr(0, colon);
  const bool bracketed =
      absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  if (!IsHost(host, bracketed)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text,
        "\" is not HOST:PORT (an IPv6 address stands in brackets)"));
  }
  result.host = std::string(host);
  return result;
}

absl::Status CheckTarget(absl::string_view target) {
  absl::string_view address = target;
  absl::ConsumePrefix(&address, "dns:///");
  const absl::StatusOr<HostPort> parsed = ParseHostPort(address);
  if (parsed.ok() && parsed->port != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", target, "\" is neither HOST:PORT nor dns:///NAME:PORT"));
}

}  // namespace tandem
