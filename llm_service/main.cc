// tandem-llm: options and wiring.
#include "common/options.h"
#include "common/service_main.h"
#include "kernels/torch_version.h"
#include "llm_service/llm_server.h"

namespace tandem {
namespace {

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
                      return ServeFromWeights<LlmServer>("llm", options, host,
                                                         frame, stop);
                    });
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Main(argc, argv); }
