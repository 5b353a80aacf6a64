// Readers of tiles: how they open, wait, are answered and end.
#include "vision_service/vision_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

using TileState = StoredTile::State;
using Phase = StoredImage::Phase;

absl::Status Overloaded(absl::string_view what, int64_t have, int64_t bound) {
  return RetryableError(
      absl::StatusCode::kResourceExhausted, reason::kOverloaded,
      absl::StrCat(have, " ", what, " wait already; the bound is ", bound),
      absl::Milliseconds(500), {{"limit", absl::StrCat(bound)}});
}

}  // namespace

VisionEngine::Stream::Stream(std::shared_ptr<State> state)
    : state_(std::move(state)) {}

VisionEngine::Stream::~Stream() { Cancel(); }

int VisionEngine::Stream::tile_count() const {
  return state_->image->grid.num_tiles();
}

void VisionEngine::Stream::Next(Callback callback) {
  Wakeups wakeups;
  {
    absl::MutexLock lock(&state_->engine->mutex_);
    state_->callback = std::move(callback);
    state_->engine->Deliver(*state_, wakeups);
  }
  for (const auto& wake : wakeups) wake();
}

void VisionEngine::Stream::Cancel() {
  Wakeups wakeups;
  {
    absl::MutexLock lock(&state_->engine->mutex_);
    state_->engine->End(
        *state_, absl::CancelledError("the stream was cancelled"), wakeups);
  }
  for (const auto& wake : wakeups) wake();
}

absl::StatusOr<std::unique_ptr<VisionEngine::Stream>> VisionEngine::OpenStream(
    absl::string_view handle, int64_t first_tile, int64_t num_tiles,
    absl::Duration deadline) {
  Wakeups wakeups;
  absl::StatusOr<std::shared_ptr<Stream::State>> state;
  {
    absl::MutexLock lock(&mutex_);
    state = AddStream(handle, first_tile, num_tiles, deadline);
    if (!state.ok()) return state.status();
    StartDecoding((*state)->image);
    QueueWantedTiles((*state)->image, wakeups);
    UpdateGauges();
  }
  for (const auto& wake : wakeups) wake();
  return std::unique_ptr<Stream>(new Stream(*std::move(state)));
}

absl::StatusOr<std::shared_ptr<VisionEngine::Stream::State>>
VisionEngine::AddStream(absl::string_view handle, int64_t first_tile,
                        int64_t num_tiles, absl::Duration deadline) {
  if (stopping_) {
    return MakeError(absl::StatusCode::kUnavailable, reason::kDraining,
                     "the service stops");
  }
  const ImagePtr image = store_.Find(handle, clock_.Monotonic());
  if (image == nullptr) {
    return MakeError(absl::StatusCode::kNotFound, reason::kEmbeddingExpired,
                     "the image is not held here (any more)");
  }
  const int tile_count = image->grid.num_tiles();
  if (first_tile < 0 || first_tile >= tile_count) {
    return FieldError("first_tile", absl::StrCat(first_tile, " is outside [0, ",
                                                 tile_count - 1, "]"));
  }
  if (num_tiles < 1 || num_tiles > tile_count - first_tile) {
    return FieldError("num_tiles", absl::StrCat(num_tiles, " is outside [1, ",
                                                tile_count - first_tile, "]"));
  }
  if (image->phase == Phase::kFailed) return image->failure;
  auto state = std::make_shared<Stream::State>();
  state->engine = this;
  state->handle = std::string(handle);
  state->image = image;
  state->deadline = deadline;
  state->next = static_cast<int>(first_tile);
  state->end = static_cast<int>(first_tile + num_tiles);
  state->mark = clock_.Monotonic();
  TANDEM_RETURN_IF_ERROR(CheckRoom(*image, state->next, state->end));
  streams_.push_back(state);
  store_.BeginRead(handle, clock_.Monotonic());
  for (int i = state->next; i < state->end; ++i) Want(image->tiles[i], +1);
  return state;
}

// Tiles that are there, or that others wait for, cost the vision tower nothing.
absl::Status VisionEngine::CheckRoom(const StoredImage& image, int begin,
                                     int end) const {
  int num_new = 0;
  for (int i = begin; i < end; ++i) {
    const StoredTile& tile = image.tiles[i];
    if (tile.state != TileState::kEncoded && !tile.awaited()) ++num_new;
  }
  if (num_new > 0 && num_awaited_tiles_ + num_new > options_.max_queued_tiles) {
    return Overloaded("tiles", num_awaited_tiles_, options_.max_queued_tiles);
  }
  if (image.phase == Phase::kFile &&
      static_cast<int>(decode_queue_.size()) >= options_.max_queued_images) {
    return Overloaded("images", decode_queue_.size(),
                      options_.max_queued_images);
  }
  return absl::OkStatus();
}

void VisionEngine::Want(StoredTile& tile, int change) {
  num_awaited_tiles_ -= tile.awaited() ? 1 : 0;
  tile.num_wanting += change;
  num_awaited_tiles_ += tile.awaited() ? 1 : 0;
}

void VisionEngine::End(Stream::State& stream, const absl::Status& why,
                       Wakeups& wakeups) {
  if (stream.closed) return;
  stream.closed = true;
  for (int i = stream.next; i < stream.end; ++i) {
    Want(stream.image->tiles[i], -1);
  }
  store_.EndRead(stream.handle, *stream.image, clock_.Monotonic());
  streams_.erase(
      std::find_if(streams_.begin(), streams_.end(),
                   [&](const auto& open) { return open.get() == &stream; }));
  stream.failure = why;
  Deliver(stream, wakeups);
  UpdateGauges();
}

// Answers a waiting callback if there is something to answer.
void VisionEngine::Deliver(Stream::State& stream, Wakeups& wakeups) {
  if (!stream.callback) return;
  if (!stream.failure.ok()) {
    wakeups.push_back([callback = std::exchange(stream.callback, nullptr),
                       failure = stream.failure] { callback(failure); });
    return;
  }
  if (stream.next == stream.end) {
    wakeups.push_back([callback = std::exchange(stream.callback, nullptr)] {
      callback(absl::OutOfRangeError("the run of tiles has ended"));
    });
    return;
  }
  StoredTile& tile = stream.image->tiles[stream.next];
  if (tile.state != TileState::kEncoded) return;
  ReadyTile ready{.index = stream.next,
                  .tile_count = stream.image->grid.num_tiles(),
                  .embeddings = tile.embeddings,
                  .timings = stream.TakeTimings(tile)};
  Want(tile, -1);
  ++stream.next;
  wakeups.push_back([callback = std::exchange(stream.callback, nullptr),
                     ready = std::move(ready)] { callback(ready); });
}

void VisionEngine::DeliverAll(const ImagePtr& image, Wakeups& wakeups) {
  for (const auto& stream : streams_) {
    if (stream->image == image) Deliver(*stream, wakeups);
  }
}

// Fails the streams that still wait for `tile`; -1 is any tile.
void VisionEngine::FailStreams(const ImagePtr& image, int tile,
                               const absl::Status& status, Wakeups& wakeups) {
  for (const auto& stream : streams_) {
    if (stream->image != image) continue;
    if (tile >= 0 && (tile < stream->next || tile >= stream->end)) continue;
    stream->failure = status;
    Deliver(*stream, wakeups);
  }
}

}  // namespace tandem
