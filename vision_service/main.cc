// tandem-vision: options and wiring.
#include "common/options.h"
#include "common/service_main.h"
#include "kernels/torch_version.h"
#include "vision_service/vision_server.h"

namespace tandem {
namespace {

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
                      return ServeFromWeights<VisionServer>("vision", options,
                                                            host, frame, stop);
                    });
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Main(argc, argv); }
