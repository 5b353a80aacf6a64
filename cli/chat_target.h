#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/embedded_server.h"
#include "grpcpp/channel.h"

namespace tandem {

// "HOST:PORT", with or without "grpc://", as a target of gRPC. UNIMPLEMENTED
// for http:// and https://, INVALID_ARGUMENT for what CheckTarget refuses.
absl::StatusOr<std::string> ParseConnect(const std::string& text);

// The gateway that a chat talks to: one elsewhere, or one in this process that
// lives as long as this object.
class ChatTarget {
 public:
  virtual ~ChatTarget() = default;
  virtual std::shared_ptr<grpc::Channel> channel() = 0;
};

// Dials when the channel is first used.
std::unique_ptr<ChatTarget> ConnectTo(const std::string& target);

// Loads the model of `options` and serves it to this process alone. Errors as
// EmbeddedServer::Start.
absl::StatusOr<std::unique_ptr<ChatTarget>> StartEmbedded(
    const EmbeddedServer::Options& options);

}  // namespace tandem
