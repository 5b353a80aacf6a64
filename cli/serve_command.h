#pragma once

#include "cli/embedded_server.h"
#include "common/host_port.h"
#include "common/options.h"

namespace tandem {

// `tandem serve`: the three services in one process.
struct ServeCommand {
  ServeCommand() {
    server.host.grpc.listen = HostPort{"127.0.0.1", 50051};
    server.host.http_listen = HostPort{"127.0.0.1", 8080};
    // Nobody routes calls here who would have to learn that they must not.
    server.host.grpc.pre_drain = absl::ZeroDuration();
  }
  EmbeddedServer::Options server;
  EmbeddedDevices devices;
  HostPort admin_listen{"127.0.0.1", 9464};
};

void AddServeOptions(CommandLine& line, ServeCommand* command);

// Serves until SIGTERM or SIGINT. Returns the exit code: 0; 78 for wrong
// options, files or ports; 1 else.
int RunServe(const ServeCommand& command);

}  // namespace tandem
