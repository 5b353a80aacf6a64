#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "common/grpc_host.h"
#include "common/host_port.h"
#include "common/http_server.h"
#include "common/options.h"
#include "common/service_frame.h"
#include "gateway/gateway_server.h"
#include "gateway/openai_http.h"

namespace tandem {

// The gateway's public listeners: gRPC, and HTTP beside it.
class GatewayHost {
 public:
  struct Options {
    GrpcHost::Options grpc;
    // Empty: no HTTP.
    std::optional<HostPort> http_listen;
    int max_http_connections = 1024;
    OpenAiHttp::Options openai;

    // Where the gateway can be reached, for CheckAccess.
    std::vector<HostPort> listeners() const;
  };

  // Borrows `server`, and what `frame` borrows. FAILED_PRECONDITION when an
  // address cannot be bound. Logs where it listens.
  static absl::StatusOr<std::unique_ptr<GatewayHost>> Start(
      const Options& options, GatewayServer& server, const ServiceFrame& frame);

  // Closes the connections that Shutdown has left.
  ~GatewayHost();

  GrpcHost& grpc() { return *grpc_; }
  // Where HTTP is served, with the port that was picked; empty if nowhere.
  std::optional<HostPort> http_address() const;

  // As GrpcHost::Shutdown, of both: late requests are still served for
  // `pre_drain`, those in flight get `drain`, the rest is ended.
  void Shutdown(const absl::Notification& hurry);

 private:
  GatewayHost(Options options, GatewayServer& server,
              const ServiceFrame& frame);

  const Options options_;
  const OpenAiHttp openai_;
  std::unique_ptr<GrpcHost> grpc_;
  std::unique_ptr<HttpServer> http_;  // first to go: it calls openai_
};

// --listen and its like, --http-listen, --max-http-connections,
// --strict-fields, --image-hosts, with the defaults that `options` holds.
void AddGatewayHostOptions(CommandLine& line, GatewayHost::Options* options);

}  // namespace tandem
