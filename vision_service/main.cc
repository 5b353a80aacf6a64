// tandem-vision: options and wiring.
#include "absl/cleanup/cleanup.h"
#include "common/log.h"
#include "common/options.h"
#include "common/service_main.h"
#include "common/status_macros.h"
#include "kernels/torch_version.h"
#include "vision_service/vision_server.h"

namespace tandem {
namespace {

absl::Status Serve(const VisionServer::Options& options,
                   const GrpcHost::Options& host_options,
                   const ServiceFrame& frame, StopSignal& stop) {
  ComputeExecutor executor({.name = "vision"});
  frame.health.AddHeartbeat("vision",
                            [&executor] { return executor.HeartbeatAge(); });
  const absl::Cleanup remove_heartbeat = [&frame] {
    frame.health.RemoveHeartbeat("vision");
  };
  TANDEM_ASSIGN_OR_RETURN(const std::unique_ptr<VisionServer> server,
                          VisionServer::Load(options, frame, executor));
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

int Main(int argc, char** argv) {
  VisionServer::Options options;
  GrpcHost::Options host;
  host.listen = HostPort{"127.0.0.1", 50061};
  HostPort admin{"127.0.0.1", 9465};
  CommandLine line("tandem-vision",
                   "The vision service: images in, embeddings out, a tile at a "
                   "time. Called by tandem-gateway and tandem-llm.");
  AddVisionOptions(line, &options);
  line.Group("Network");
  AddGrpcHostOptions(line, &host);
  line.Add("admin-listen", "HOST:PORT", &admin,
           "Plain HTTP for operators: /metrics, /healthz, /readyz.");
  line.Example("tandem-vision --model models/demo/weights");
  if (const auto exit_code = line.Start(argc, argv)) return *exit_code;
  return RunService("tandem-vision", TorchBuildInfo(), admin, "weights",
                    [&](const ServiceFrame& frame, StopSignal& stop) {
                      return Serve(options, host, frame, stop);
                    });
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Main(argc, argv); }
