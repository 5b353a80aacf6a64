#include "llm_service/tile_pull.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"

namespace tandem {
namespace {

// Which part of the check failed, for the counters.
TransferError TransferErrorOf(const absl::Status& status) {
  const ErrorMetadata metadata = ErrorMetadataOf(status);
  const auto it = metadata.find("check");
  const std::string check = it == metadata.end() ? "" : it->second;
  if (check == "crc32c" || check == "values") return TransferError::kCrc;
  if (check == "fingerprint") return TransferError::kFingerprint;
  if (check == "dtype" || check == "shape" || check == "total_bytes") {
    return TransferError::kShape;
  }
  return TransferError::kGap;
}

void Count(const absl::Status& status, LlmMetrics& metrics) {
  auto& errors = metrics.embedding_transfer_errors;
  const std::string why = ErrorReason(status);
  if (why == reason::kEmbeddingCorrupt ||
      why == reason::kEmbeddingIncompatible) {
    errors[TransferErrorOf(status)].Increment();
  } else if (absl::IsDeadlineExceeded(status)) {
    errors[TransferError::kTimeout].Increment();
  } else if (absl::IsUnavailable(status) || absl::IsCancelled(status)) {
    errors[TransferError::kPeer].Increment();
  }
}

// `status` as the caller of Generate sees it: it names the image. A peer that
// is not there, is stopping or has dropped the call is a backend that is lost.
absl::Status NameImage(const absl::Status& status, int image) {
  ErrorMetadata metadata = ErrorMetadataOf(status);
  metadata["image"] = absl::StrCat(image);
  const std::string message =
      absl::StrCat("image ", image, ": ", status.message());
  const absl::Duration delay =
      RetryDelay(status).value_or(absl::ZeroDuration());
  if (absl::IsUnavailable(status) || absl::IsCancelled(status)) {
    return RetryableError(absl::StatusCode::kUnavailable,
                          reason::kBackendUnavailable, message, delay,
                          metadata);
  }
  std::string why = ErrorReason(status);
  if (absl::IsResourceExhausted(status)) {
    return RetryableError(status.code(),
                          why.empty() ? reason::kOverloaded : why, message,
                          delay, metadata);
  }
  if (why.empty()) {
    why = absl::IsDeadlineExceeded(status) ? reason::kDeadlineExceeded
                                           : reason::kInternal;
  }
  return MakeError(status.code(), why, message, metadata);
}

}  // namespace

// A run of tiles. Owns itself until the call is over.
class TilePull::Call final
    : public grpc::ClientReadReactor<v1::EmbeddingChunk> {
 public:
  Call(std::shared_ptr<TilePull> pull,
       std::shared_ptr<VisionReplicas::Stub> stub, const EmbeddingRun& run,
       const std::string& handle)
      : pull_(std::move(pull)),
        stub_(std::move(stub)),
        image_(run.image_index),
        asked_(pull_->deps_.clock.Monotonic()),
        assembler_(pull_->deps_.format, run) {
    request_.set_request_id(run.request_id);
    request_.set_handle(handle);
    request_.set_image_index(run.image_index);
    request_.set_first_tile(run.first_tile);
    request_.set_num_tiles(run.num_tiles);
    Clock& clock = pull_->deps_.clock;
    SetDeadline(clock.Now() + (pull_->pull_.deadline - clock.Monotonic()),
                context_);
  }

  void Start() {
    stub_->async()->StreamEmbeddings(&context_, &request_, this);
    StartRead(&chunk_);
    StartCall();
  }
  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;  // OnDone says why
    std::vector<EmbeddingTile> tiles;
    failure_ = assembler_.Add(chunk_, tiles);
    if (!failure_.ok()) return context_.TryCancel();
    pull_->deps_.metrics.embedding_received_bytes.Increment(
        static_cast<double>(chunk_.data().size()));
    for (EmbeddingTile& tile : tiles) pull_->Deliver(std::move(tile), asked_);
    StartRead(&chunk_);
  }

  void OnDone(const grpc::Status& status) override {
    if (failure_.ok()) failure_ = FromGrpcStatus(status);
    if (failure_.ok()) failure_ = assembler_.Finish();
    pull_->Ended(this, image_, failure_);
    delete this;
  }

 private:
  const std::shared_ptr<TilePull> pull_;
  const std::shared_ptr<VisionReplicas::Stub> stub_;
  const int image_;
  const absl::Duration asked_;
  EmbeddingAssembler assembler_;
  grpc::ClientContext context_;
  v1::StreamEmbeddingsRequest request_;
  v1::EmbeddingChunk chunk_;
  absl::Status failure_;
};

TilePull::TilePull(EmbeddingPull pull, EmbeddingSource::Sink sink,
                   const Deps& deps)
    : pull_(std::move(pull)),
      deps_(deps),
      sink_(std::move(sink)),
      room_(std::max(pull_.window_tiles, kMinWindowTiles)) {
  absl::MutexLock lock(&deps_.alive.mutex);
  ++deps_.alive.count;
}

TilePull::~TilePull() {
  absl::MutexLock lock(&deps_.alive.mutex);
  --deps_.alive.count;
}

void TilePull::Begin() { FindReplica(0); }

// One after the other: most requests have all images on one replica.
void TilePull::FindReplica(size_t image) {
  if (image == pull_.images.size()) {
    {
      absl::MutexLock lock(&mutex_);
      found_all_ = true;
    }
    return AskForMore();
  }
  const std::string& id = pull_.images[image].replica_id();
  {
    absl::ReleasableMutexLock lock(&mutex_);
    if (stopped_) return;
    if (stubs_.contains(id)) {
      lock.Release();
      return FindReplica(image + 1);
    }
  }
  deps_.replicas.Find(id, [self = shared_from_this(), image, id](auto found) {
    if (!found.ok()) {
      return self->Fail(static_cast<int>(image), found.status());
    }
    {
      absl::MutexLock lock(&self->mutex_);
      self->stubs_[id] = *std::move(found);
    }
    self->FindReplica(image + 1);
  });
}

void TilePull::AddRoom(int tiles) {
  {
    absl::MutexLock lock(&mutex_);
    room_ += tiles;
  }
  AskForMore();
}

void TilePull::AskForMore() {
  // Calls begin outside the lock: their reactions take it.
  std::vector<Call*> calls;
  {
    absl::MutexLock lock(&mutex_);
    while (Call* call = NextCall()) calls.push_back(call);
  }
  for (Call* call : calls) call->Start();
}

TilePull::Call* TilePull::NextCall() {
  if (stopped_ || !found_all_ ||
      next_image_ == static_cast<int>(pull_.images.size())) {
    return nullptr;
  }
  const v1::ImageRef& image = pull_.images[next_image_];
  const int half = std::max(pull_.window_tiles, kMinWindowTiles) / 2;
  EmbeddingRun run;
  run.request_id = pull_.request_id;
  run.image_index = next_image_;
  run.tile_count = static_cast<int>(image.num_tiles());
  run.first_tile = next_tile_;
  run.num_tiles = std::min(half, run.tile_count - next_tile_);
  if (run.num_tiles > room_) return nullptr;
  room_ -= run.num_tiles;
  next_tile_ += run.num_tiles;
  if (next_tile_ == run.tile_count) {
    ++next_image_;
    next_tile_ = 0;
  }
  Call* call = new Call(shared_from_this(), stubs_.at(image.replica_id()), run,
                        image.handle());
  calls_.insert(call);
  return call;
}

void TilePull::Deliver(EmbeddingTile tile, absl::Duration asked) {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return;
  sink_.on_tile({std::move(tile), asked, deps_.clock.Monotonic()});
}

void TilePull::Ended(Call* call, int image, const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    calls_.erase(call);
  }
  if (!status.ok()) Fail(image, status);
}

void TilePull::Fail(int image, const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return;
  Count(status, deps_.metrics);
  sink_.on_error(NameImage(status, image));
  Stop();
}

void TilePull::Cancel() {
  absl::MutexLock lock(&mutex_);
  Stop();
}

void TilePull::Stop() {
  stopped_ = true;
  sink_ = {};
  for (Call* call : calls_) call->Cancel();
}

}  // namespace tandem
