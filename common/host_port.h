#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tandem {

// Where a listener binds. `host` is a name or an address, IPv6 without its
// brackets; port 0 lets the system pick one.
struct HostPort {
  std::string host;
  int port = 0;  // in [0, 65535]

  // "127.0.0.1:80", "[::1]:80".
  std::string ToString() const;
  bool operator==(const HostPort&) const = default;

  // Whether nobody outside of this machine can reach it: localhost, 127.0.0.0/8
  // or ::1. A name is not looked up, and so is not.
  bool IsLoopback() const;
};

// "HOST:PORT", "[IPv6]:PORT". INVALID_ARGUMENT that quotes `text`.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text);

// Where a client dials: "HOST:PORT" with a port that is not 0, or
// "dns:///NAME:PORT" for every address behind the name.
absl::Status CheckTarget(absl::string_view target);

}  // namespace tandem
