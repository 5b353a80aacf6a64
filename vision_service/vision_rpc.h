#pragma once

#include <string>

#include "common/compute_executor.h"
#include "common/health.h"
#include "tandem/v1/vision.grpc.pb.h"
#include "vision_service/vision_engine.h"

namespace tandem {

// VisionService on the wire: messages to the engine and back, no decisions.
class VisionRpc final : public v1::VisionService::CallbackService {
 public:
  // `info` is what GetInfo answers, but for `ready`; `worker` runs what is too
  // long for a network thread. Everything borrowed must outlive the server that
  // this is registered with, but the worker: it ends first.
  VisionRpc(v1::ServiceInfo info, VisionEngine& engine, ComputeExecutor& worker,
            const CallGate& gate, const Health& health);

  grpc::ServerUnaryReactor* PutImage(grpc::CallbackServerContext* context,
                                     const v1::PutImageRequest* request,
                                     v1::PutImageResponse* response) override;
  grpc::ServerWriteReactor<v1::EmbeddingChunk>* StreamEmbeddings(
      grpc::CallbackServerContext* context,
      const v1::StreamEmbeddingsRequest* request) override;
  grpc::ServerUnaryReactor* ReleaseImages(
      grpc::CallbackServerContext* context,
      const v1::ReleaseImagesRequest* request,
      v1::ReleaseImagesResponse* response) override;
  grpc::ServerUnaryReactor* GetInfo(
      grpc::CallbackServerContext* context,
      const v1::GetVisionInfoRequest* request,
      v1::GetVisionInfoResponse* response) override;

 private:
  absl::Status Put(const v1::PutImageRequest& request,
                   v1::PutImageResponse& response);

  const v1::ServiceInfo info_;
  VisionEngine& engine_;
  ComputeExecutor& worker_;
  const CallGate& gate_;
  const Health& health_;
};

}  // namespace tandem
