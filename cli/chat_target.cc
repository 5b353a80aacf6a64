#include "cli/chat_target.h"

#include <optional>
#include <utility>

#include "cli/grpc_chat_client.h"
#include "cli/http_chat_client.h"
#include "cli/local_frame.h"
#include "common/channel.h"
#include "common/host_port.h"
#include "common/status_macros.h"
#include "kernels/torch_version.h"

namespace tandem {
namespace {

class Connection final : public ChatTarget {
 public:
  explicit Connection(std::unique_ptr<ChatClient> client)
      : client_(std::move(client)) {}
  ChatClient& client() override { return *client_; }

 private:
  const std::unique_ptr<ChatClient> client_;
};

class Embedded final : public ChatTarget {
 public:
  Embedded() : frame_(TorchBuildInfo()) {}

  absl::Status Start(const EmbeddedServer::Options& options) {
    TANDEM_ASSIGN_OR_RETURN(server_,
                            EmbeddedServer::Start(options, frame_.frame()));
    client_.emplace(server_->Channel());
    return absl::OkStatus();
  }
  ChatClient& client() override { return *client_; }

 private:
  LocalFrame frame_;
  std::unique_ptr<EmbeddedServer> server_;
  std::optional<GrpcChatClient> client_;
};

}  // namespace

std::unique_ptr<ChatTarget> ConnectTo(const ConnectTarget& target,
                                      CallHeaders headers) {
  if (target.is_http) {
    return std::make_unique<Connection>(std::make_unique<HttpChatClient>(
        target.http_address, std::move(headers)));
  }
  return std::make_unique<Connection>(std::make_unique<GrpcChatClient>(
      MakeChannel(target.grpc_target), std::move(headers)));
}

absl::StatusOr<std::unique_ptr<ChatTarget>> StartEmbedded(
    const EmbeddedServer::Options& options) {
  auto embedded = std::make_unique<Embedded>();
  TANDEM_RETURN_IF_ERROR(embedded->Start(options));
  return embedded;
}

}  // namespace tandem
