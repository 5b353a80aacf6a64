#include "vision_service/vision_rpc.h"

#include <memory>
#include <utility>
#include <vector>

#include "common/embedding_wire.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/log.h"
#include "common/request_id.h"

namespace tandem {
namespace {

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                 const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

// Writes the tiles of one run, a chunk at a time. Each reaction leads to
// exactly one next step: a tile awaited, a chunk written, or Finish. So there
// is nothing to lock; cancellation only wakes the tile that is awaited.
class EmbeddingWriter final
    : public grpc::ServerWriteReactor<v1::EmbeddingChunk> {
 public:
  EmbeddingWriter(VisionEngine& engine,
                  const v1::StreamEmbeddingsRequest& request)
      : format_(engine.format()),
        run_{.request_id = request.request_id(),
             .image_index = static_cast<int>(request.image_index()),
             .first_tile = static_cast<int>(request.first_tile()),
             .num_tiles = static_cast<int>(request.num_tiles())} {
    auto stream = engine.OpenStream(request.handle(), request.first_tile(),
                                    request.num_tiles());
    if (!stream.ok()) {
      Finish(ToGrpcStatus(stream.status()));
      return;
    }
    stream_ = *std::move(stream);
    run_.tile_count = stream_->tile_count();
    tiles_left_ = run_.num_tiles;
    AwaitTile();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the caller is gone"));
      return;
    }
    if (offset_ < tile_.embeddings->size()) {
      WriteChunk();
    } else if (tiles_left_ > 0) {
      AwaitTile();
    } else {
      Finish(grpc::Status::OK);
    }
  }

  void OnCancel() override {
    if (stream_ != nullptr) stream_->Cancel();
  }

  void OnDone() override { delete this; }

 private:
  void AwaitTile() {
    stream_->Next([this](absl::StatusOr<VisionEngine::ReadyTile> tile) {
      if (!tile.ok()) {
        Finish(ToGrpcStatus(tile.status()));
        return;
      }
      tile_ = *std::move(tile);
      offset_ = 0;
      --tiles_left_;
      WriteChunk();
    });
  }

  void WriteChunk() {
    chunk_ = MakeEmbeddingChunk(format_, run_, tile_.index, offset_,
                                *tile_.embeddings);
    offset_ += chunk_.data().size();
    if (chunk_.end_of_tile()) *chunk_.mutable_timings() = tile_.timings;
    grpc::WriteOptions options;
    if (!chunk_.end_of_tile()) options.set_buffer_hint();
    StartWrite(&chunk_, options);
  }

  const EmbeddingFormat& format_;
  EmbeddingRun run_;
  std::unique_ptr<VisionEngine::Stream> stream_;
  int tiles_left_ = 0;
  VisionEngine::ReadyTile tile_;
  size_t offset_ = 0;  // of the next chunk in the tile
  v1::EmbeddingChunk chunk_;
};

// Refuses a call that nothing was begun for.
class Refusal final : public grpc::ServerWriteReactor<v1::EmbeddingChunk> {
 public:
  explicit Refusal(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

VisionRpc::VisionRpc(v1::ServiceInfo info, VisionEngine& engine,
                     ComputeExecutor& worker, const CallGate& gate,
                     const Health& health)
    : info_(std::move(info)),
      engine_(engine),
      worker_(worker),
      gate_(gate),
      health_(health) {}

grpc::ServerUnaryReactor* VisionRpc::PutImage(
    grpc::CallbackServerContext* context, const v1::PutImageRequest* request,
    v1::PutImageResponse* response) {
  if (absl::Status status = gate_.Admit(); !status.ok()) {
    return Answer(context, status);
  }
  // The reactor, and with it request and response, live until Finish.
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued =
      worker_.Submit([this, reactor, request, response] {
        reactor->Finish(ToGrpcStatus(Put(*request, *response)));
      });
  if (!queued.ok()) {
    reactor->Finish(ToGrpcStatus(RetryableError(
        absl::StatusCode::kResourceExhausted, reason::kOverloaded,
        "too many images wait to be taken", absl::Milliseconds(500))));
  }
  return reactor;
}

absl::Status VisionRpc::Put(const v1::PutImageRequest& request,
                            v1::PutImageResponse& response) {
  const std::string request_id = AcceptRequestId(request.request_id());
  absl::StatusOr<v1::ImageRef> image =
      engine_.PutImage(request.data(), request.max_tiles());
  if (!image.ok()) {
    LogInfo("image refused", {{kLogRequestId, request_id},
                              {"bytes", request.data().size()},
                              {"status", image.status()}});
    return image.status();
  }
  image->set_replica_id(info_.replica_id());
  LogDebug("image kept", {{kLogRequestId, request_id},
                          {"bytes", request.data().size()},
                          {"tiles", image->num_tiles()}});
  *response.mutable_image() = *std::move(image);
  return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::EmbeddingChunk>* VisionRpc::StreamEmbeddings(
    grpc::CallbackServerContext* /*context*/,
    const v1::StreamEmbeddingsRequest* request) {
  if (absl::Status status = gate_.Admit(); !status.ok()) {
    return new Refusal(status);
  }
  return new EmbeddingWriter(engine_, *request);
}

grpc::ServerUnaryReactor* VisionRpc::ReleaseImages(
    grpc::CallbackServerContext* context,
    const v1::ReleaseImagesRequest* request,
    v1::ReleaseImagesResponse* response) {
  response->set_released(engine_.ReleaseImages(
      {request->handles().begin(), request->handles().end()}));
  return Answer(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* VisionRpc::GetInfo(
    grpc::CallbackServerContext* context,
    const v1::GetVisionInfoRequest* /*request*/,
    v1::GetVisionInfoResponse* response) {
  *response->mutable_info() = info_;
  // Of this service: in `tandem serve` the process waits for the gateway, which
  // waits for this answer.
  response->mutable_info()->set_ready(gate_.Admit().ok());
  const VisionEngine::Load load = engine_.load();
  response->set_images(load.images);
  response->set_held_bytes(load.held_bytes);
  response->set_max_held_bytes(load.max_held_bytes);
  response->set_queued_tiles(load.queued_tiles);
  response->set_max_queued_tiles(load.max_queued_tiles);
  return Answer(context, absl::OkStatus());
}

}  // namespace tandem
