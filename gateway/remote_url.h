#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tandem {

// A place that images may be fetched from: an entry of the operator's list.
struct ImageHost {
  std::string host;  // a name in lower case, or an address without brackets
  int port = 443;    // in [1, 65535]
  bool is_encrypted = true;  // https
  // Whether it may have an address that is not public (IsPublicAddress): the
  // operator wrote the address, or "http://", himself.
  bool may_be_private = false;

  // For the header Host: "example.com", "[::1]:8443"; without the port that the
  // scheme has anyway.
  std::string Authority() const;
  bool operator==(const ImageHost&) const = default;
};

// "HOST[:PORT]" or "https://HOST[:PORT]": https, port 443.
// "http://HOST[:PORT]": not encrypted, port 80, and at any address: for hosts
// of one's own network. HOST is an exact name, without wildcards, an IPv4
// address or an IPv6 address in brackets. INVALID_ARGUMENT that quotes `text`.
absl::StatusOr<ImageHost> ParseImageHost(absl::string_view text);

// For the command line.
absl::Status ParseOption(absl::string_view text, ImageHost* value);
std::string ShowOption(const ImageHost& value);

// A URL whose host is on the list.
struct RemoteImageUrl {
  ImageHost host;
  std::string target;  // path and query, as written: begins with "/"
};

// An image of a request that is elsewhere.
struct RemoteImage {
  RemoteImageUrl url;
  int message = 0, part = 0;  // where it belongs
  std::string field;          // "messages[0].content[1].image_url.url"
};

// Takes apart an http: or https: URL of printable ASCII, at most 2,048 bytes
// long, and finds its scheme, host and port among `allowed`; what follows "#"
// is dropped. Nothing is looked up.
//
// INVALID_ARGUMENT without a field (see AtField), which does not repeat the
// URL: FIELD_INVALID where it is malformed or has a user or password;
// UNSUPPORTED_PARAMETER where the list has no such place. Thread-safe.
absl::StatusOr<RemoteImageUrl> CheckRemoteUrl(
    absl::string_view url, const std::vector<ImageHost>& allowed);

// Whether an IPv4 or IPv6 address ("192.0.2.1", "2001:db8::1") is one of the
// public internet: unicast, and none of the ranges that IANA's special-purpose
// registries (RFC 6890) keep for private networks, loopback, links, shared
// carriers, documentation, benchmarks, translation and tunnels, so no IPv4
// address inside of an IPv6 one. False for what is no address. Thread-safe.
bool IsPublicAddress(absl::string_view address);

}  // namespace tandem
