#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "common/clock.h"
#include "common/compute_executor.h"
#include "common/health.h"
#include "grpcpp/server_context.h"
#include "tandem/v1/vision.grpc.pb.h"
#include "vision_service/vision_engine.h"

namespace tandem {

// VisionService on the wire: messages to the engine and back, no decisions.
class VisionRpc final : public v1::VisionService::CallbackService {
 public:
  // Borrowed; all must outlive the server that this is registered with.
  struct Deps {
    VisionEngine& engine;
    // Runs what is too long for a network thread.
    ComputeExecutor& worker;
    const CallGate& gate;
    Clock& clock;
  };
  struct Options {
    // Of PutImage calls that have not ended; more are refused.
    int64_t max_waiting_bytes = int64_t{256} << 20;
  };

  // `info` is what GetInfo answers, but for `ready`.
  VisionRpc(v1::ServiceInfo info, const Deps& deps, Options options);
  VisionRpc(v1::ServiceInfo info, const Deps& deps)
      : VisionRpc(std::move(info), deps, Options()) {}

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
  class PutCall;

  absl::Status StartPut(PutCall& call);
  absl::StatusOr<v1::ImageRef> Put(const v1::PutImageRequest& request,
                                   absl::Duration keep_until);
  absl::StatusOr<std::unique_ptr<VisionEngine::Stream>> OpenStream(
      const grpc::CallbackServerContext& context,
      const v1::StreamEmbeddingsRequest& request);

  const v1::ServiceInfo info_;
  const Deps deps_;
  const Options options_;
  std::atomic<int64_t> waiting_bytes_ = 0;
};

}  // namespace tandem
