#include "cli/chat_target.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/local_frame.h"
#include "common/channel.h"
#include "common/host_port.h"
#include "common/status_macros.h"
#include "kernels/torch_version.h"

namespace tandem {
namespace {

class Connection final : public ChatTarget {
 public:
  explicit Connection(const std::string& target)
      : channel_(MakeChannel(target)) {}
  std::shared_ptr<grpc::Channel> channel() override { return channel_; }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
};

class Embedded final : public ChatTarget {
 public:
  Embedded() : frame_(TorchBuildInfo()) {}

  absl::Status Start(const EmbeddedServer::Options& options) {
    TANDEM_ASSIGN_OR_RETURN(server_,
                            EmbeddedServer::Start(options, frame_.frame()));
    return absl::OkStatus();
  }
  std::shared_ptr<grpc::Channel> channel() override {
    return server_->Channel();
  }

 private:
  LocalFrame frame_;
  std::unique_ptr<EmbeddedServer> server_;
};

}  // namespace

absl::StatusOr<std::string> ParseConnect(const std::string& text) {
  if (absl::StartsWith(text, "http://") || absl::StartsWith(text, "https://")) {
    return absl::UnimplementedError(absl::StrCat(
        "--connect: ", text,
        ": chat over HTTP is not built yet; give the gRPC listener as "
        "HOST:PORT"));
  }
  const std::string target(absl::StripPrefix(text, "grpc://"));
  const absl::Status status = CheckTarget(target);
  if (status.ok()) return target;
  return absl::InvalidArgumentError(
      absl::StrCat("--connect: ", status.message()));
}

std::unique_ptr<ChatTarget> ConnectTo(const std::string& target) {
  return std::make_unique<Connection>(target);
}

absl::StatusOr<std::unique_ptr<ChatTarget>> StartEmbedded(
    const EmbeddedServer::Options& options) {
  auto embedded = std::make_unique<Embedded>();
  TANDEM_RETURN_IF_ERROR(embedded->Start(options));
  return embedded;
}

}  // namespace tandem
