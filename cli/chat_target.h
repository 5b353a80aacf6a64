#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "cli/chat_client.h"
#include "cli/connect_target.h"
#include "cli/embedded_server.h"

namespace tandem {

// Whom a chat talks to: a gateway elsewhere, or one in this process that lives
// as long as this object.
class ChatTarget {
 public:
  virtual ~ChatTarget() = default;
  virtual ChatClient& client() = 0;
};

// Dials when the client is first used; `headers` go with every call.
std::unique_ptr<ChatTarget> ConnectTo(const ConnectTarget& target,
                                      CallHeaders headers);

// Loads the model of `options` and serves it to this process alone. Errors as
// EmbeddedServer::Start.
absl::StatusOr<std::unique_ptr<ChatTarget>> StartEmbedded(
    const EmbeddedServer::Options& options);

}  // namespace tandem
