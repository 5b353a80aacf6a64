// tandem-gateway: options and wiring.
#include <atomic>
#include <thread>

#include "common/log.h"
#include "common/options.h"
#include "common/service_main.h"
#include "common/status_macros.h"
#include "gateway/gateway_host.h"
#include "gateway/gateway_server.h"

namespace tandem {
namespace {

std::vector<BackendTarget> Targets(const std::vector<std::string>& names) {
  std::vector<BackendTarget> targets;
  for (const std::string& name : names) targets.push_back({name, nullptr});
  return targets;
}

absl::Status Serve(const GatewayServer::Options& options,
                   const GatewayHost::Options& host_options,
                   const ServiceFrame& frame, StopSignal& stop) {
  TANDEM_RETURN_IF_ERROR(CheckAccess(options.access, host_options.listeners()));
  GatewayServer server(options, frame);
  stop.Serving();
  TANDEM_ASSIGN_OR_RETURN(const std::unique_ptr<GatewayHost> host,
                          GatewayHost::Start(host_options, server, frame));
  // Each question has its own deadline, but a name may take long to be looked
  // up; a stop is heard meanwhile.
  std::atomic<bool> stopping = false;
  std::thread becomes_ready([&] {
    while (!server.WaitUntilAsked(absl::Milliseconds(100))) {
      if (stopping) return;
    }
    frame.health.SetCondition("backends asked", true);
    LogInfo("ready", {{"vision_targets", options.vision.size()},
                      {"llm_targets", options.llm.size()}});
  });
  stop.Wait();
  stopping = true;
  becomes_ready.join();
  host->Shutdown(stop.hurry());
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  std::vector<std::string> vision, llm;
  GatewayServer::Options options;
  GatewayHost::Options host;
  host.grpc.listen = HostPort{"127.0.0.1", 50051};
  host.http_listen = HostPort{"127.0.0.1", 8080};
  HostPort admin{"127.0.0.1", 9464};
  CommandLine line("tandem-gateway",
                   "What clients talk to: takes chat requests, has a vision "
                   "service encode their pictures and an llm service answer.");
  line.Group("Backends");
  line.AddTargets("llm", &llm, "Llm services.").Required();
  line.AddTargets("vision", &vision,
                  "Vision services; none: text requests only.");
  line.Add("served-name", "NAME", &options.engine.served_name,
           "The model's name for clients. Default: as the llm service says.");
  line.AddFlag("allow-shared-device", &options.engine.allow_shared_device,
               "Pair a vision and an llm service on one card.");
  AddGatewayOptions(line, &options.engine);
  AddAccessOptions(line, &options.access);
  line.Group("Network");
  AddGatewayHostOptions(line, &host);
  line.Add("admin-listen", "HOST:PORT", &admin,
           "Plain HTTP for operators: /metrics, /healthz, /readyz.");
  line.Example("tandem-gateway --vision 127.0.0.1:50061 --llm 127.0.0.1:50071");
  if (const auto exit_code = line.Start(argc, argv)) return *exit_code;
  options.vision = Targets(vision);
  options.llm = Targets(llm);
  return RunService("tandem-gateway", {.backend = "none"}, admin,
                    "backends asked",
                    [&](const ServiceFrame& frame, StopSignal& stop) {
                      return Serve(options, host, frame, stop);
                    });
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Main(argc, argv); }
