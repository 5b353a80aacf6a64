#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/compute_executor.h"
#include "common/grpc_host.h"
#include "common/model_options.h"
#include "common/service_frame.h"
#include "vision_service/vision_engine.h"
#include "vision_service/vision_rpc.h"

namespace tandem {

// The whole vision service but for the socket: what `tandem-vision` and `tandem
// serve` put on a GrpcHost.
class VisionServer {
 public:
  struct Options {
    ModelOptions model;
    std::string device = "cpu";
    int64_t max_held_bytes = int64_t{1} << 30;
  };

  // Reads the weights of the vision tower and the projector; minutes for a
  // large model. `frame` and `executor` must outlive the server.
  static absl::StatusOr<std::unique_ptr<VisionServer>> Load(
      const Options& options, const ServiceFrame& frame,
      ComputeExecutor& executor);
  ~VisionServer();

  // For GrpcHost::Start. The server must outlive the host.
  GrpcHost::Service grpc_service();

  const v1::ServiceInfo& info() const { return info_; }
  VisionEngine& engine() { return *engine_; }

 private:
  VisionServer(v1::ServiceInfo info, const ServiceFrame& frame);

  const v1::ServiceInfo info_;
  VisionMetrics metrics_;
  CallGate gate_;
  std::unique_ptr<VisionEncoder> encoder_;
  std::unique_ptr<VisionEngine> engine_;
  std::unique_ptr<VisionRpc> rpc_;
  // Hashes what PutImage brings: megabytes are too long for a network thread.
  // Ends first: its work is for all of the above.
  ComputeExecutor put_worker_;
};

// --device, --max-held-bytes and those of ModelOptions.
void AddVisionOptions(CommandLine& line, VisionServer::Options* options);

}  // namespace tandem
