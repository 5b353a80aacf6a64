#include "vision_service/vision_rpc.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/channel.h"
#include "common/embedding_wire.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/log.h"
#include "common/request_id.h"
#include "common/status_macros.h"

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
  EmbeddingWriter(const EmbeddingFormat& format,
                  const v1::StreamEmbeddingsRequest& request,
                  absl::StatusOr<std::unique_ptr<VisionEngine::Stream>> stream)
      : format_(format),
        run_{.request_id = request.request_id(),
             .image_index = static_cast<int>(request.image_index()),
             .first_tile = static_cast<int>(request.first_tile()),
             .num_tiles = static_cast<int>(request.num_tiles())} {
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

// What a call's deadline is by Clock::Monotonic.
absl::StatusOr<absl::Duration> MonotonicDeadline(
    const grpc::CallbackServerContext& context, Clock& clock,
    const DeadlinePolicy& policy = {}) {
  const absl::Time now = clock.Now();
  TANDEM_ASSIGN_OR_RETURN(const absl::Time deadline,
                          RequestDeadline(context, now, policy));
  return clock.Monotonic() + (deadline - now);
}

absl::Status CheckRequestId(const std::string& id) {
  if (id.empty() || IsValidRequestId(id)) return absl::OkStatus();
  return FieldError("request_id",
                    absl::StrCat("is not 1 to 128 characters of [A-Za-z0-9._-] "
                                 "but ",
                                 id.size(), " bytes"));
}

}  // namespace

// One PutImage. A reference that its caller did not get is given back: nobody
// else knows it.
class VisionRpc::PutCall final : public grpc::ServerUnaryReactor {
 public:
  PutCall(VisionRpc& rpc, grpc::CallbackServerContext& context,
          const v1::PutImageRequest& request, v1::PutImageResponse& response)
      : rpc_(rpc), context_(context), request_(request), response_(response) {
    const absl::Status status = rpc_.StartPut(*this);
    if (!status.ok()) Finish(ToGrpcStatus(status));
  }

  const grpc::CallbackServerContext& context() const { return context_; }
  const v1::PutImageRequest& request() const { return request_; }

  void Run(absl::Duration keep_until) {
    if (context_.IsCancelled()) {
      Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the caller is gone"));
      return;
    }
    absl::StatusOr<v1::ImageRef> image = rpc_.Put(request_, keep_until);
    if (image.ok()) {
      handle_ = image->handle();
      *response_.mutable_image() = *std::move(image);
    }
    Finish(ToGrpcStatus(image.status()));
  }

  // Holds these bytes of the service's bound until it ends.
  void Charge(int64_t bytes) { charged_bytes_ = bytes; }

  void OnDone() override {
    rpc_.waiting_bytes_ -= charged_bytes_;
    if (!handle_.empty() && context_.IsCancelled()) {
      rpc_.deps_.engine.ReleaseImages({handle_});
    }
    delete this;
  }

 private:
  VisionRpc& rpc_;
  grpc::CallbackServerContext& context_;
  const v1::PutImageRequest& request_;
  v1::PutImageResponse& response_;
  std::string handle_;
  int64_t charged_bytes_ = 0;
};

VisionRpc::VisionRpc(v1::ServiceInfo info, const Deps& deps, Options options)
    : info_(std::move(info)), deps_(deps), options_(options) {}

grpc::ServerUnaryReactor* VisionRpc::PutImage(
    grpc::CallbackServerContext* context, const v1::PutImageRequest* request,
    v1::PutImageResponse* response) {
  return new PutCall(*this, *context, *request, *response);
}

// Queues a call, or says why not.
absl::Status VisionRpc::StartPut(PutCall& call) {
  TANDEM_RETURN_IF_ERROR(deps_.gate.Admit());
  TANDEM_RETURN_IF_ERROR(CheckRequestId(call.request().request_id()));
  // A reference of a call without a deadline lives as long as any.
  TANDEM_ASSIGN_OR_RETURN(
      const absl::Duration keep_until,
      MonotonicDeadline(
          call.context(), deps_.clock,
          {.if_none = deps_.engine.options().store.time_to_live}));
  const auto queue = [&]() -> absl::Status {
    const auto bytes = static_cast<int64_t>(call.request().data().size());
    TANDEM_RETURN_IF_ERROR(
        CheckImageBytes(bytes, deps_.engine.options().limits));
    const int64_t waiting = waiting_bytes_ += bytes;
    call.Charge(bytes);
    const auto work = [&call, keep_until] { call.Run(keep_until); };
    if (waiting <= options_.max_waiting_bytes &&
        deps_.worker.Submit(work).ok()) {
      return absl::OkStatus();
    }
    return RetryableError(
        absl::StatusCode::kResourceExhausted, reason::kOverloaded,
        absl::StrCat("images of ", waiting - bytes, " bytes wait to be taken"),
        absl::Milliseconds(500),
        {{"maxWaitingBytes", absl::StrCat(options_.max_waiting_bytes)}});
  };
  const absl::Status queued = queue();
  if (!queued.ok()) deps_.engine.CountRefused(call.request().data());
  return queued;
}

absl::StatusOr<v1::ImageRef> VisionRpc::Put(const v1::PutImageRequest& request,
                                            absl::Duration keep_until) {
  absl::StatusOr<v1::ImageRef> image =
      deps_.engine.PutImage(request.data(), request.max_tiles(), keep_until);
  if (!image.ok()) {
    LogInfo("image refused", {{kLogRequestId, request.request_id()},
                              {"bytes", request.data().size()},
                              {"status", image.status()}});
    return image;
  }
  image->set_replica_id(info_.replica_id());
  LogDebug("image kept", {{kLogRequestId, request.request_id()},
                          {"bytes", request.data().size()},
                          {"tiles", image->num_tiles()}});
  return image;
}

// Not behind the gate: who was given a reference may read it.
grpc::ServerWriteReactor<v1::EmbeddingChunk>* VisionRpc::StreamEmbeddings(
    grpc::CallbackServerContext* context,
    const v1::StreamEmbeddingsRequest* request) {
  return new EmbeddingWriter(deps_.engine.format(), *request,
                             OpenStream(*context, *request));
}

absl::StatusOr<std::unique_ptr<VisionEngine::Stream>> VisionRpc::OpenStream(
    const grpc::CallbackServerContext& context,
    const v1::StreamEmbeddingsRequest& request) {
  TANDEM_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  TANDEM_ASSIGN_OR_RETURN(const absl::Duration deadline,
                          MonotonicDeadline(context, deps_.clock));
  return deps_.engine.OpenStream(request.handle(), request.first_tile(),
                                 request.num_tiles(), deadline);
}

grpc::ServerUnaryReactor* VisionRpc::ReleaseImages(
    grpc::CallbackServerContext* context,
    const v1::ReleaseImagesRequest* request,
    v1::ReleaseImagesResponse* response) {
  response->set_released(deps_.engine.ReleaseImages(
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
  response->mutable_info()->set_ready(deps_.gate.Admit().ok());
  const VisionEngine::Load load = deps_.engine.load();
  response->set_images(load.images);
  response->set_held_bytes(load.held_bytes);
  response->set_max_held_bytes(load.max_held_bytes);
  response->set_queued_tiles(load.queued_tiles);
  response->set_max_queued_tiles(load.max_queued_tiles);
  return Answer(context, absl::OkStatus());
}

}  // namespace tandem
