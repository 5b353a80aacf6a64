#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace grpc {
class ClientContext;
class ServerContextBase;
}  // namespace grpc

namespace tandem {

// gRPC metadata and HTTP header that carry a request's id between processes.
inline constexpr char kRequestIdHeader[] = "x-request-id";

// 1 to 128 characters of [A-Za-z0-9._-].
bool IsValidRequestId(absl::string_view id);

// `bytes` random bytes in lower-case hexadecimal, from the system's secure
// source: request ids, image handles, replica ids.
std::string RandomHex(int bytes);

// `offered` where it is valid, else a new one ("req-" and 32 hex digits).
std::string AcceptRequestId(absl::string_view offered);

// The id of an incoming call (accepted or new), also set as its initial
// metadata; call it once, before the first write.
std::string TakeRequestId(grpc::ServerContextBase& context);

// Sends `id` with an outgoing call.
void SetRequestId(absl::string_view id, grpc::ClientContext& context);

}  // namespace tandem
