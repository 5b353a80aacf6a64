#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "common/device_executor.h"
#include "common/grpc_host.h"
#include "common/options.h"
#include "common/service_frame.h"
#include "gateway/gateway_host.h"
#include "gateway/gateway_server.h"
#include "llm_service/llm_server.h"
#include "vision_service/vision_server.h"

namespace tandem {

// The three services in one process: the code of `tandem-vision`, `tandem-llm`
// and `tandem-gateway`, joined by gRPC channels without sockets. What `tandem
// serve` and `tandem chat` run.
class EmbeddedServer {
 public:
  struct Options {
    ModelOptions model;
    // What each engine computes on. Engines on one device take turns.
    std::string vision_device = "cpu", llm_device = "cpu";
    // Both are given `model` and their device.
    VisionServer::Options vision;
    LlmServer::Options llm;
    ChatEngine::Options gateway;
    // Passed CheckAccess; as it is, whoever has the Channel() is served.
    AccessOptions access = {};
    // The public listeners; without an address only Channel() leads here.
    GatewayHost::Options host;
    // Called just before that listener opens: StopSignal::Serving.
    std::function<void()> serving = [] {};
  };

  // Loads the weights and returns when calls are taken: seconds to minutes.
  // `frame` must outlive the server.
  //
  // INVALID_ARGUMENT, NOT_FOUND or DATA_LOSS where the model is not as it
  // should be, UNIMPLEMENTED for a device that this build has no code for,
  // FAILED_PRECONDITION where the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<EmbeddedServer>> Start(
      Options options, const ServiceFrame& frame);
  // Cancels what is in flight, if Shutdown did not come before.
  ~EmbeddedServer();

  // Stops and frees the gateway first, so that the services behind it have no
  // caller left when their turn comes: llm, then vision. `hurry` as in
  // GrpcHost::Shutdown. Nothing of what follows may be used afterwards.
  void Shutdown(const absl::Notification& hurry);

  // To the ChatService, without a socket.
  std::shared_ptr<grpc::Channel> Channel();
  // Where the ChatService listens, and HTTP, if they do.
  const std::optional<HostPort>& address() const;
  std::optional<HostPort> http_address() const;
  // What is loaded.
  const v1::ServiceInfo& info() const { return vision_->info(); }
  VisionEngine& vision_engine() { return vision_->engine(); }
  LlmEngine& llm_engine() { return llm_->engine(); }

 private:
  explicit EmbeddedServer(const ServiceFrame& frame) : frame_(frame) {}
  ComputeExecutor& ExecutorOf(const std::string& device);
  absl::Status StartVision(const Options& options);
  absl::Status StartLlm(const Options& options);
  absl::Status StartGateway(const Options& options);
  absl::StatusOr<std::unique_ptr<GrpcHost>> HostOf(GrpcHost::Service service);

  const ServiceFrame frame_;
  std::map<std::string, std::unique_ptr<DeviceExecutor>>
      executors_;  // by device
  std::unique_ptr<VisionServer> vision_;
  std::unique_ptr<GrpcHost> vision_host_;
  std::unique_ptr<LlmServer> llm_;
  std::unique_ptr<GrpcHost> llm_host_;
  std::unique_ptr<GatewayServer> gateway_;
  std::unique_ptr<GatewayHost> gateway_host_;
};

// --model and its like, --device, --vision-device, --llm-device.
struct EmbeddedDevices {
  std::string both = {}, vision = {}, llm = {};  // empty: not given
};
void AddEmbeddedOptions(CommandLine& line, EmbeddedServer::Options* options,
                        EmbeddedDevices* devices);
// What the device options mean together: the special one wins over --device.
// UNIMPLEMENTED, naming the option that was typed, for a device that this build
// has no code for.
absl::Status SetDevices(const EmbeddedDevices& devices,
                        EmbeddedServer::Options& options);

}  // namespace tandem
