// tandem-llm: options and wiring.
#include "absl/cleanup/cleanup.h"
#include "common/log.h"
#include "common/options.h"
#include "common/service_main.h"
#include "common/status_macros.h"
#include "kernels/torch_version.h"
#include "llm_service/llm_server.h"

namespace tandem {
namespace {

absl::Status Serve(const LlmServer::Options& options,
                   const GrpcHost::Options& host_options,
                   const ServiceFrame& frame, StopSignal& stop) {
  ComputeExecutor executor({.name = "llm"});
  frame.health.AddHeartbeat("llm",
                            [&executor] { return executor.HeartbeatAge(); });
  const absl::Cleanup remove_heartbeat = [&frame] {
    frame.health.RemoveHeartbeat("llm");
  };
  TANDEM_ASSIGN_OR_RETURN(const std::unique_ptr<LlmServer> server,
                          LlmServer::Load(options, frame, executor));
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
  LlmServer::Options options;
  GrpcHost::Options host;
  host.listen = HostPort{"127.0.0.1", 50071};
  HostPort admin{"127.0.0.1", 9466};
  CommandLine line("tandem-llm",
                   "The llm service: messages and image references in, tokens "
                   "out. Pulls embeddings from tandem-vision; called by "
                   "tandem-gateway.");
  AddLlmOptions(line, &options);
  line.Group("Network");
  AddGrpcHostOptions(line, &host);
  line.Add("admin-listen", "HOST:PORT", &admin,
           "Plain HTTP for operators: /metrics, /healthz, /readyz.");
  line.Example(
      "tandem-llm --model models/demo/weights --vision 127.0.0.1:50061");
  if (const auto exit_code = line.Start(argc, argv)) return *exit_code;
  return RunService("tandem-llm", TorchBuildInfo(), admin, "weights",
                    [&](const ServiceFrame& frame, StopSignal& stop) {
                      return Serve(options, host, frame, stop);
                    });
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Main(argc, argv); }
