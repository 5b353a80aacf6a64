#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/device_executor.h"
#include "common/grpc_host.h"
#include "common/host_port.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/process.h"
#include "common/service_frame.h"
#include "common/status_macros.h"

namespace tandem {

// The body of every main that serves: makes the frame, opens the admin listener
// at once, and runs `serve`, which loads, starts its hosts, waits for `stop`
// and shuts them down. Returns the exit code.
//
// `condition` is what readiness waits for; `serve` fulfils it.
int RunService(
    const std::string& program, const BuildInfo& build,
    const HostPort& admin_listen, const std::string& condition,
    const std::function<absl::Status(const ServiceFrame&, StopSignal&)>& serve);

// The `serve` of a service that computes on one device, options.device: loads a
// Server (VisionServer, LlmServer) and serves it until `stop`. `engine` names
// the heartbeat; fulfils the condition "weights".
template <class Server>
absl::Status ServeFromWeights(const std::string& engine,
                              const typename Server::Options& options,
                              const GrpcHost::Options& host_options,
                              const ServiceFrame& frame, StopSignal& stop) {
  DeviceExecutor device(frame, engine, options.device);
  TANDEM_ASSIGN_OR_RETURN(const std::unique_ptr<Server> server,
                          Server::Load(options, frame, device.executor()));
  stop.Serving();
  TANDEM_ASSIGN_OR_RETURN(
      const std::unique_ptr<GrpcHost> host,
      GrpcHost::Start(host_options, {server->grpc_service()}, frame.health,
                      frame.grpc_metrics));
  frame.health.SetCondition("weights", true);
  LogInfo("ready", {{"model", server->info().model()},
                    {"replica_id", server->info().replica_id()}});
  stop.Wait();
  host->Shutdown(stop.hurry());
  return absl::OkStatus();
}

}  // namespace tandem
