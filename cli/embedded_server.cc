#include "cli/embedded_server.h"

#include <utility>

#include "common/status_macros.h"
#include "kernels/device.h"

namespace tandem {
namespace {

constexpr absl::Duration kFirstAnswers = absl::Seconds(5);

// Each service makes its own only once the one before it has loaded its
// weights; operators see them all, with zeros, from the start.
absl::Status MakeMetricFamilies(const EmbeddedServer::Options& options,
                                const ServiceFrame& frame) {
  const GatewayMetrics gateway(frame.metrics);
  const VisionMetrics vision(frame.metrics);
  TANDEM_ASSIGN_OR_RETURN(const OpenedModel model,
                          DescribeModel(options.model));
  const int context = options.llm.max_context > 0
                          ? options.llm.max_context
                          : model.config.text.max_positions;
  const LlmMetrics llm(frame.metrics, model.name, context);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<EmbeddedServer>> EmbeddedServer::Start(
    Options options, const ServiceFrame& frame) {
  TANDEM_RETURN_IF_ERROR(MakeMetricFamilies(options, frame));
  options.vision.model = options.llm.model = options.model;
  options.vision.device = options.vision_device;
  options.llm.device = options.llm_device;
  std::unique_ptr<EmbeddedServer> server(new EmbeddedServer(frame));
  server->ExecutorOf(options.vision_device);
  server->ExecutorOf(options.llm_device);
  TANDEM_RETURN_IF_ERROR(server->StartVision(options));
  TANDEM_RETURN_IF_ERROR(server->StartLlm(options));
  TANDEM_RETURN_IF_ERROR(server->StartGateway(options));
  return server;
}

EmbeddedServer::~EmbeddedServer() {
  absl::Notification hurry;
  hurry.Notify();
  Shutdown(hurry);
}

ComputeExecutor& EmbeddedServer::ExecutorOf(const std::string& device) {
  std::unique_ptr<DeviceExecutor>& executor = executors_[device];
  if (executor == nullptr) {
    executor = std::make_unique<DeviceExecutor>(frame_, device, device);
  }
  return executor->executor();
}

absl::StatusOr<std::unique_ptr<GrpcHost>> EmbeddedServer::HostOf(
    GrpcHost::Service service) {
  GrpcHost::Options options;
  options.reflection = false;
  // Its only callers are in this process, and know when it stops.
  options.pre_drain = absl::ZeroDuration();
  return GrpcHost::Start(options, {std::move(service)}, frame_.health,
                         frame_.grpc_metrics);
}

absl::Status EmbeddedServer::StartVision(const Options& options) {
  TANDEM_ASSIGN_OR_RETURN(
      vision_, VisionServer::Load(options.vision, frame_,
                                  ExecutorOf(options.vision_device)));
  TANDEM_ASSIGN_OR_RETURN(vision_host_, HostOf(vision_->grpc_service()));
  return absl::OkStatus();
}

absl::Status EmbeddedServer::StartLlm(const Options& options) {
  LlmServer::Options llm = options.llm;
  llm.vision_channels = {vision_host_->InProcessChannel()};
  TANDEM_ASSIGN_OR_RETURN(
      llm_, LlmServer::Load(llm, frame_, ExecutorOf(options.llm_device)));
  TANDEM_ASSIGN_OR_RETURN(llm_host_, HostOf(llm_->grpc_service()));
  return absl::OkStatus();
}

absl::Status EmbeddedServer::StartGateway(const Options& options) {
  GatewayServer::Options gateway;
  gateway.vision = {{"vision", vision_host_->InProcessChannel()}};
  gateway.llm = {{"llm", llm_host_->InProcessChannel()}};
  gateway.engine = options.gateway;
  gateway.access = options.access;
  // Whoever runs one process has chosen what shares a card.
  gateway.engine.allow_shared_device = true;
  gateway_ = std::make_unique<GatewayServer>(std::move(gateway), frame_);
  options.serving();
  TANDEM_ASSIGN_OR_RETURN(gateway_host_,
                          GatewayHost::Start(options.host, *gateway_, frame_));
  gateway_->WaitUntilAsked(kFirstAnswers);
  return absl::OkStatus();
}

namespace {

// The host first, or calls would run in a service that is gone; and the service
// before the host behind it is stopped, or its own questions to that one would
// begin on a channel whose server is gone.
template <class Host, class Server>
void Stop(std::unique_ptr<Host>& host, std::unique_ptr<Server>& server,
          const absl::Notification& hurry) {
  if (host != nullptr) host->Shutdown(hurry);
  host = nullptr;
  server = nullptr;
}

}  // namespace

void EmbeddedServer::Shutdown(const absl::Notification& hurry) {
  Stop(gateway_host_, gateway_, hurry);
  Stop(llm_host_, llm_, hurry);
  Stop(vision_host_, vision_, hurry);
}

std::shared_ptr<grpc::Channel> EmbeddedServer::Channel() {
  return gateway_host_->grpc().InProcessChannel();
}

const std::optional<HostPort>& EmbeddedServer::address() const {
  return gateway_host_->grpc().address();
}

std::optional<HostPort> EmbeddedServer::http_address() const {
  return gateway_host_->http_address();
}

void AddEmbeddedOptions(CommandLine& line, EmbeddedServer::Options* options,
                        EmbeddedDevices* devices) {
  AddModelOptions(line, &options->model);
  line.Group("Device");
  line.Add(
      "device", "DEVICE", &devices->both,
      "What both engines compute on: cpu, or a card, cuda:0. Default: cpu.");
  line.Add("vision-device", "DEVICE", &devices->vision,
           "What the vision tower runs on. Default: --device.");
  line.Add("llm-device", "DEVICE", &devices->llm,
           "What the language model runs on. Default: --device.");
}

absl::Status SetDevices(const EmbeddedDevices& devices,
                        EmbeddedServer::Options& options) {
  const auto set = [&](const std::string& own, const std::string& option,
                       std::string& device) {
    device = devices.both.empty() ? "cpu" : devices.both;
    if (!own.empty()) device = own;
    return ParseDevice(own.empty() ? "--device" : option, device).status();
  };
  TANDEM_RETURN_IF_ERROR(
      set(devices.vision, "--vision-device", options.vision_device));
  return set(devices.llm, "--llm-device", options.llm_device);
}

}  // namespace tandem
