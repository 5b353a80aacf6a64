#include "gateway/gateway_server.h"

#include <utility>

#include "absl/time/clock.h"

namespace tandem {

GatewayServer::GatewayServer(Options options, const ServiceFrame& frame)
    : clock_(frame.clock),
      metrics_(frame.metrics),
      access_(std::move(options.access), frame.clock, metrics_),
      vision_({.kind = Backend::kVision, .targets = std::move(options.vision)},
              AskVision(), metrics_, &frame.grpc_metrics),
      llm_({.kind = Backend::kLlm, .targets = std::move(options.llm)}, AskLlm(),
           metrics_, &frame.grpc_metrics),
      engine_(std::move(options.engine), frame.clock, vision_, llm_, metrics_),
      chat_rpc_(rpc_frame()),
      kserve_rpc_(rpc_frame(), frame.health) {}

bool GatewayServer::WaitUntilAsked(absl::Duration timeout) const {
  const absl::Time end = absl::Now() + timeout;
  return vision_.WaitUntilAsked(timeout) &&
         llm_.WaitUntilAsked(end - absl::Now());
}

std::vector<GrpcHost::Service> GatewayServer::grpc_services() {
  return {{.name = v1::ChatService::service_full_name(),
           .service = &chat_rpc_,
           .gate = &gate_,
           .part = "vision",
           .part_ready = [this] { return vision_.num_ready() > 0; }},
          {.name = inference::GRPCInferenceService::service_full_name(),
           .service = &kserve_rpc_,
           .gate = &gate_}};
}

void AddGatewayOptions(CommandLine& line, ChatEngine::Options* options) {
  line.Group("Bounds");
  line.Add("max-in-flight", "1..", &options->admission.max_in_flight,
           "Requests that are worked on at once.");
  line.Add("max-queued", "0..", &options->admission.max_queued,
           "Requests that wait for a place; more are refused.");
  line.Add("max-images", "0..64", &options->limits.max_images,
           "Images of one request.");
  line.Add("max-request-tiles", "1..1024", &options->limits.max_tiles,
           "Tiles of one request, thumbnails counted.");
}

}  // namespace tandem
