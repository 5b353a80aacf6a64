#include "vision_service/vision_server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/byte_size.h"
#include "common/load_progress.h"
#include "common/service_info.h"
#include "common/status_macros.h"
#include "kernels/device.h"
#include "vision_service/intern_vit.h"
#include "vision_service/vision_memory.h"

namespace tandem {
namespace {

// One tile, so that a card has its code and the libraries their workspaces
// before the first request.
absl::Status WarmUp(ComputeExecutor& executor, VisionEncoder& encoder,
                    int tile_size) {
  absl::Status encoded;
  TANDEM_RETURN_IF_ERROR(executor.Run([&] {
    encoded = encoder.Encode(MakeRgbImage(tile_size, tile_size)).status();
  }));
  return encoded;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VisionServer>> VisionServer::Load(
    const Options& options, const ServiceFrame& frame,
    ComputeExecutor& executor) {
  const absl::Duration begin = frame.clock.Monotonic();
  TANDEM_ASSIGN_OR_RETURN(
      const OpenDevice device,
      OpenServiceDevice(options.device, executor, frame.metrics));
  TANDEM_ASSIGN_OR_RETURN(const OpenedModel model,
                          OpenModel(options.model, WeightSet::kVision));
  v1::ServiceInfo info = MakeServiceInfo(model);
  if (device.card.has_value()) {
    info.add_card_ids(device.card->id);
    const VisionMemory memory = VisionMemoryOf(model.config, model.dtype);
    TANDEM_RETURN_IF_ERROR(
        CheckFits(*device.card, memory.total(),
                  absl::StrCat(FormatBytes(memory.weights),
                               " for the vision tower's weights, ",
                               FormatBytes(memory.tile), " to compute with")));
  }
  std::unique_ptr<VisionServer> server(
      new VisionServer(std::move(info), frame));
  LoadReporter reporter("vision tower");
  const auto weights =
      WithProgress(*model.weights, model.config, WeightSet::kVision, reporter);
  TANDEM_ASSIGN_OR_RETURN(server->encoder_,
                          MakeVisionEncoder(*weights, model.config,
                                            {.dtype = model.dtype,
                                             .device = options.device,
                                             .fingerprint = model.fingerprint,
                                             .observer = nullptr}));
  VisionEngine::Options engine;
  engine.profile = model.profile;
  engine.tile_size = model.config.vision.image_size;
  engine.default_max_tiles = model.config.max_tiles;
  engine.store.max_held_bytes = options.max_held_bytes;
  server->engine_ = std::make_unique<VisionEngine>(
      engine, frame.clock, executor, *server->encoder_, server->metrics_);
  server->rpc_ = std::make_unique<VisionRpc>(
      server->info_, VisionRpc::Deps{*server->engine_, server->put_worker_,
                                     server->gate_, frame.clock});
  if (device.card.has_value()) {
    TANDEM_RETURN_IF_ERROR(
        WarmUp(executor, *server->encoder_, model.config.vision.image_size));
    TANDEM_ASSIGN_OR_RETURN(const Card loaded, ReadCard(device.device));
    ReportCard(frame.metrics, loaded);
  }
  DeviceMetrics(frame.metrics, options.device)
      .model_load_seconds.Increment(
          absl::ToDoubleSeconds(frame.clock.Monotonic() - begin));
  return server;
}

VisionServer::VisionServer(v1::ServiceInfo info, const ServiceFrame& frame)
    : info_(std::move(info)),
      metrics_(frame.metrics),
      put_worker_({.max_queued = 64, .name = "vision-put"}) {}

VisionServer::~VisionServer() = default;

GrpcHost::Service VisionServer::grpc_service() {
  return {.name = v1::VisionService::service_full_name(),
          .service = rpc_.get(),
          .gate = &gate_};
}

void AddVisionOptions(CommandLine& line, VisionServer::Options* options) {
  AddModelOptions(line, &options->model);
  line.Group("Device and memory");
  line.Add("device", "DEVICE", &options->device,
           "What the vision tower runs on: cpu, or a card, cuda:0.");
  line.Add("max-held-bytes", "1..", &options->max_held_bytes,
           "Images and embeddings that are kept for requests and as a cache.");
}

}  // namespace tandem
