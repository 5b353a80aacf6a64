#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/host_port.h"

namespace tandem {

// Where --connect leads.
struct ConnectTarget {
  bool is_http = false;
  std::string grpc_target;  // HOST:PORT or dns:///NAME:PORT
  HostPort http_address;
};

// "HOST:PORT" and "grpc://HOST:PORT" are gRPC, "http://HOST:PORT" is an
// OpenAI-compatible server; behind that "/" and "/v1", as SDKs want it, are
// allowed. UNIMPLEMENTED for https://, INVALID_ARGUMENT for what is no address
// or has port 0; both begin with "--connect: ".
absl::StatusOr<ConnectTarget> ParseConnect(const std::string& text);

}  // namespace tandem
