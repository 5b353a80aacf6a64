#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/grpc_host.h"
#include "common/service_frame.h"
#include "gateway/access.h"
#include "gateway/backend_pool.h"
#include "gateway/chat_engine.h"
#include "gateway/chat_rpc.h"
#include "gateway/kserve_rpc.h"
#include "gateway/rpc_call.h"

namespace tandem {

// The whole gateway but for the socket: what `tandem-gateway` and `tandem
// serve` put on a GrpcHost.
class GatewayServer {
 public:
  struct Options {
    std::vector<BackendTarget> vision;
    std::vector<BackendTarget> llm;
    ChatEngine::Options engine;
    // Passed CheckAccess.
    AccessOptions access = {};
  };
  // Begins to ask the backends. `frame` must outlive the server.
  GatewayServer(Options options, const ServiceFrame& frame);

  // Until every target has been asked once, whatever the answer; false after
  // `timeout`.
  bool WaitUntilAsked(absl::Duration timeout) const;

  // All public gRPC services, for GrpcHost::Start, behind one gate. The server
  // must outlive the host.
  std::vector<GrpcHost::Service> grpc_services();

  // For other protocols on the same engine, behind the same gate.
  RpcFrame rpc_frame() { return {engine_, access_, clock_, gate_, metrics_}; }
  ChatEngine& engine() { return engine_; }
  AccessControl& access() { return access_; }

 private:
  Clock& clock_;
  GatewayMetrics metrics_;
  CallGate gate_;
  AccessControl access_;
  BackendPool vision_;
  BackendPool llm_;
  ChatEngine engine_;
  ChatRpc chat_rpc_;
  KserveRpc kserve_rpc_;
};

// What `tandem-gateway` and `tandem serve` share: bounds of requests.
void AddGatewayOptions(CommandLine& line, ChatEngine::Options* options);

}  // namespace tandem
