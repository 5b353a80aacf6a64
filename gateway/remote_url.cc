#include "gateway/remote_url.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>  // before asio, which needs std::exchange and forgets to ask

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "boost/asio/ip/address.hpp"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

namespace ip = boost::asio::ip;

constexpr size_t kMaxUrlBytes = 2048;
constexpr size_t kMaxHostBytes = 253;

absl::Status Malformed(absl::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason::kFieldInvalid,
                   why);
}

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_';
}

absl::StatusOr<std::string> ParseName(absl::string_view text) {
  if (text.empty()) return Malformed("a URL without a host");
  if (text.size() > kMaxHostBytes || text.front() == '.' ||
      text.back() == '.' ||
      !std::all_of(text.begin(), text.end(), IsNameCharacter)) {
    return Malformed("a URL whose host is no name");
  }
  return absl::AsciiStrToLower(text);
}

absl::StatusOr<std::string> ParseIpv6(absl::string_view text) {
  boost::system::error_code error;
  const auto address = ip::make_address_v6(std::string(text), error);
  if (error || address.scope_id() != 0 || absl::StrContains(text, "%")) {
    return Malformed("a URL whose host is no IPv6 address");
  }
  return address.to_string();
}

absl::StatusOr<int> ParsePort(absl::string_view text) {
  int port = 0;
  if (text.empty() || text.size() > 5 ||
      !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(text, &port) || port < 1 || port > 65535) {
    return Malformed("a URL whose port is not in [1, 65535]");
  }
  return port;
}

// Sets host and port.
absl::Status ParseAuthority(absl::string_view text, ImageHost& host) {
  if (absl::StrContains(text, "@")) {
    return Malformed("a URL with a user or a password");
  }
  absl::string_view port;
  if (absl::ConsumePrefix(&text, "[")) {
    const size_t end = text.find(']');
    if (end == text.npos) return Malformed("a URL with a lone bracket");
    TANDEM_ASSIGN_OR_RETURN(host.host, ParseIpv6(text.substr(0, end)));
    port = text.substr(end + 1);
  } else {
    const size_t end = std::min(text.find(':'), text.size());
    TANDEM_ASSIGN_OR_RETURN(host.host, ParseName(text.substr(0, end)));
    port = text.substr(end);
  }
  if (port.empty()) return absl::OkStatus();
  if (!absl::ConsumePrefix(&port, ":")) {
    return Malformed("a URL whose host is no name");
  }
  TANDEM_ASSIGN_OR_RETURN(host.port, ParsePort(port));
  return absl::OkStatus();
}

// The target stays empty where there is none.
absl::StatusOr<RemoteImageUrl> TakeApart(absl::string_view url) {
  if (url.size() > kMaxUrlBytes) {
    return Malformed(absl::StrCat("a URL of ", url.size(),
                                  " bytes, not at most ", kMaxUrlBytes));
  }
  if (!std::all_of(url.begin(), url.end(), absl::ascii_isgraph) ||
      absl::StrContains(url, "\\")) {
    return Malformed("a URL with spaces, backslashes or other than ASCII");
  }
  RemoteImageUrl parsed;
  if (absl::StartsWithIgnoreCase(url, "http://")) {
    parsed.host.is_encrypted = false;
    parsed.host.port = 80;
  } else if (!absl::StartsWithIgnoreCase(url, "https://")) {
    return Malformed("not a URL of http: or https:");
  }
  url.remove_prefix(parsed.host.is_encrypted ? 8 : 7);
  const size_t end = std::min(url.find_first_of("/?#"), url.size());
  TANDEM_RETURN_IF_ERROR(ParseAuthority(url.substr(0, end), parsed.host));
  url.remove_prefix(end);
  parsed.target = std::string(url.substr(0, url.find('#')));
  return parsed;
}

struct Range {
  std::array<uint8_t, 16> first;
  int bits;
};

template <class Bytes>
bool IsIn(const Bytes& address, const Range& range) {
  for (int bit = 0; bit < range.bits; ++bit) {
    const size_t i = static_cast<size_t>(bit) / 8;
    if (((address[i] ^ range.first[i]) >> (7 - bit % 8) & 1) != 0) return false;
  }
  return true;
}

constexpr Range kSpecialIpv4[] = {
    {{0}, 8},             // this network
    {{10}, 8},            // private
    {{100, 64}, 10},      // shared by carriers
    {{127}, 8},           // loopback
    {{169, 254}, 16},     // link
    {{172, 16}, 12},      // private
    {{192, 0, 0}, 24},    // protocols
    {{192, 0, 2}, 24},    // documentation
    {{192, 88, 99}, 24},  // 6to4 relays
    {{192, 168}, 16},     // private
    {{198, 18}, 15},      // benchmarks
    {{198, 51, 100}, 24},
    {{203, 0, 113}, 24},  // documentation
    {{224}, 3},           // multicast, reserved, broadcast
};

constexpr Range kUnicastIpv6 = {{0x20}, 3};
constexpr Range kSpecialIpv6[] = {
    {{0x20, 0x01, 0x00}, 23},        // protocols, Teredo, ORCHID, benchmarks
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
    {{0x20, 0x02}, 16},              // 6to4
    {{0x3f, 0xff, 0x00}, 20},        // documentation
};

}  // namespace

std::string ImageHost::Authority() const {
  const bool is_ipv6 = absl::StrContains(host, ":");
  std::string text = is_ipv6 ? absl::StrCat("[", host, "]") : host;
  if (port != (is_encrypted ? 443 : 80)) absl::StrAppend(&text, ":", port);
  return text;
}

absl::StatusOr<ImageHost> ParseImageHost(absl::string_view text) {
  const bool has_scheme = absl::StrContains(text, "://");
  const absl::StatusOr<RemoteImageUrl> url = TakeApart(
      has_scheme ? std::string(text) : absl::StrCat("https://", text));
  if (!url.ok() || !url->target.empty() || absl::StrContains(text, "#")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" is not HOST[:PORT] or http://HOST[:PORT]"));
  }
  ImageHost host = url->host;
  boost::system::error_code error;
  ip::make_address(host.host, error);
  host.may_be_private = !error || !host.is_encrypted;
  return host;
}

absl::Status ParseOption(absl::string_view text, ImageHost* value) {
  TANDEM_ASSIGN_OR_RETURN(*value, ParseImageHost(text));
  return absl::OkStatus();
}

std::string ShowOption(const ImageHost& value) {
  return absl::StrCat(value.is_encrypted ? "" : "http://", value.Authority());
}

absl::StatusOr<RemoteImageUrl> CheckRemoteUrl(
    absl::string_view url, const std::vector<ImageHost>& allowed) {
  TANDEM_ASSIGN_OR_RETURN(RemoteImageUrl parsed, TakeApart(url));
  const auto found = std::find_if(
      allowed.begin(), allowed.end(), [&parsed](const ImageHost& entry) {
        return entry.host == parsed.host.host &&
               entry.port == parsed.host.port &&
               entry.is_encrypted == parsed.host.is_encrypted;
      });
  if (found == allowed.end()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     reason::kUnsupportedParameter,
                     "images are not fetched from there: this scheme, host and "
                     "port are not on the operator's list; send the image as "
                     "data:image/...;base64,...");
  }
  parsed.host = *found;
  if (!absl::StartsWith(parsed.target, "/")) parsed.target.insert(0, "/");
  return parsed;
}

bool IsPublicAddress(absl::string_view address) {
  boost::system::error_code error;
  const ip::address parsed = ip::make_address(std::string(address), error);
  if (error) return false;
  if (parsed.is_v4()) {
    const auto bytes = parsed.to_v4().to_bytes();
    return std::none_of(std::begin(kSpecialIpv4), std::end(kSpecialIpv4),
                        [&](const Range& range) { return IsIn(bytes, range); });
  }
  const auto bytes = parsed.to_v6().to_bytes();
  return parsed.to_v6().scope_id() == 0 && IsIn(bytes, kUnicastIpv6) &&
         std::none_of(std::begin(kSpecialIpv6), std::end(kSpecialIpv6),
                      [&](const Range& range) { return IsIn(bytes, range); });
}

}  // namespace tandem
