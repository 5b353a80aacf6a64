#include "cli/serve_command.h"

#include "common/log.h"
#include "common/service_main.h"
#include "common/status_macros.h"
#include "kernels/torch_version.h"

namespace tandem {
namespace {

absl::Status Serve(const ServeCommand& command, const ServiceFrame& frame,
                   StopSignal& stop) {
  EmbeddedServer::Options options = command.server;
  TANDEM_RETURN_IF_ERROR(CheckAccess(options.access, options.host.listeners()));
  TANDEM_RETURN_IF_ERROR(SetDevices(command.devices, options));
  options.serving = [&stop] { stop.Serving(); };
  TANDEM_ASSIGN_OR_RETURN(const std::unique_ptr<EmbeddedServer> server,
                          EmbeddedServer::Start(options, frame));
  frame.health.SetCondition("weights", true);
  LogInfo("ready", {{"model", server->info().model()},
                    {"listen", server->address()->ToString()},
                    {"http", server->http_address()->ToString()}});
  stop.Wait();
  server->Shutdown(stop.hurry());
  return absl::OkStatus();
}

}  // namespace

int RunServe(const ServeCommand& command) {
  return RunService("tandem", TorchBuildInfo(), command.admin_listen, "weights",
                    [&](const ServiceFrame& frame, StopSignal& stop) {
                      return Serve(command, frame, stop);
                    });
}

void AddServeOptions(CommandLine& line, ServeCommand* command) {
  AddEmbeddedOptions(line, &command->server, &command->devices);
  AddGatewayOptions(line, &command->server.gateway);
  AddAccessOptions(line, &command->server.access);
  line.Group("Network");
  AddGatewayHostOptions(line, &command->server.host);
  line.Add("admin-listen", "HOST:PORT", &command->admin_listen,
           "Plain HTTP for operators: /metrics, /healthz, /readyz.");
  line.Example("tandem serve --model models/demo/weights");
  line.Example("tandem chat --connect 127.0.0.1:50051 'Hello'");
  line.Example("curl http://127.0.0.1:8080/v1/models");
}

}  // namespace tandem
