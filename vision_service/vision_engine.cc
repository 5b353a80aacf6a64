#include "vision_service/vision_engine.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/preprocessing.h"
#include "common/sha256.h"
#include "common/status_macros.h"
#include "vision_service/tiles.h"

namespace tandem {
namespace {

using TileState = StoredTile::State;
using Phase = StoredImage::Phase;

double Milliseconds(absl::Duration duration) {
  return absl::ToDoubleMilliseconds(std::max(duration, absl::ZeroDuration()));
}

ImageFormatLabel LabelOf(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return ImageFormatLabel::kJpeg;
    case ImageFormat::kPng:
      return ImageFormatLabel::kPng;
    case ImageFormat::kWebp:
      return ImageFormatLabel::kWebp;
    case ImageFormat::kBmp:
      return ImageFormatLabel::kBmp;
  }
  return ImageFormatLabel::kOther;
}

absl::Status Overloaded(absl::string_view what, int64_t have, int64_t bound) {
  return RetryableError(
      absl::StatusCode::kResourceExhausted, reason::kOverloaded,
      absl::StrCat(have, " ", what, " wait already; the bound is ", bound),
      absl::Milliseconds(500), {{"limit", absl::StrCat(bound)}});
}

}  // namespace

// Guarded by the engine's mutex, but for what never changes.
struct VisionEngine::Stream::State {
  VisionEngine* engine = nullptr;
  ImagePtr image;
  int next = 0;  // tile to deliver next
  int end = 0;   // behind the run's last
  bool closed = false;
  absl::Status failure;
  Callback callback;    // waits for tile `next`
  absl::Duration mark;  // the stream's opening, then its last tile's completion

  // Where the time between `mark` and the tile's completion went.
  v1::TileTimings TakeTimings(const StoredTile& tile) {
    v1::TileTimings timings;
    const auto since = [this](absl::Duration begin, absl::Duration end) {
      return std::max(end - std::max(begin, mark), absl::ZeroDuration());
    };
    const absl::Duration decode = since(image->decode_begin, image->decode_end);
    const absl::Duration cut = since(image->decode_end, image->tiles_ready);
    const absl::Duration encode = since(tile.encode_begin, tile.encode_end);
    timings.set_image_decode(Milliseconds(decode));
    timings.set_preprocess(Milliseconds(cut));
    timings.set_encode(Milliseconds(encode));
    timings.set_encode_queue(
        Milliseconds(tile.encode_end - mark - decode - cut - encode));
    mark = std::max(mark, tile.encode_end);
    return timings;
  }
};

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

void VisionEngine::Stream::Cancel() { state_->engine->Close(*state_); }

VisionEngine::VisionEngine(Options options, Clock& clock,
                           ComputeExecutor& executor, VisionEncoder& encoder,
                           VisionMetrics& metrics)
    : options_(std::move(options)),
      clock_(clock),
      executor_(executor),
      encoder_(encoder),
      metrics_(metrics),
      store_(options_.store) {
  metrics_.queue_limit.Set(options_.max_queued_tiles);
  for (int i = 0; i < std::clamp(options_.num_decode_threads, 1, 3); ++i) {
    decode_threads_.emplace_back([this] { DecodeLoop(); });
  }
}

VisionEngine::~VisionEngine() {
  Wakeups wakeups;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const auto& stream : streams_) {
      stream->failure = MakeError(absl::StatusCode::kUnavailable,
                                  reason::kDraining, "the service stops");
      Deliver(*stream, wakeups);
    }
  }
  for (const auto& wake : wakeups) wake();
  for (std::thread& thread : decode_threads_) thread.join();
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](bool* submitted) { return !*submitted; }, &encode_submitted_));
}

absl::StatusOr<v1::ImageRef> VisionEngine::PutImage(absl::string_view file,
                                                    int64_t max_tiles) {
  absl::StatusOr<ImagePtr> made = MakeImage(file, max_tiles);
  if (!made.ok()) {
    CountImage(ImageFormatLabel::kOther, ImageResult::kRejected);
    return made.status();
  }
  v1::ImageRef ref;
  {
    absl::MutexLock lock(&mutex_);
    const int64_t evicted_before = store_.num_evicted();
    TANDEM_ASSIGN_OR_RETURN(const ImageStore::Entry entry,
                            store_.Put(*std::move(made), clock_.Monotonic()));
    const StoredImage& image = *entry.image;
    ref.set_handle(entry.handle);
    ref.set_sha256(image.sha256);
    ref.set_preprocessing_id(image.preprocessing_id);
    ref.set_columns(image.grid.columns);
    ref.set_rows(image.grid.rows);
    ref.set_num_tiles(image.grid.num_tiles());
    ref.set_width(image.header.width);
    ref.set_height(image.header.height);
    metrics_.image_bytes.Observe(file.size());
    metrics_.image_pixels.Observe(1.0 * image.header.width *
                                  image.header.height);
    metrics_.image_tiles.Observe(image.grid.num_tiles());
    metrics_
        .cache_requests[entry.found ? CacheResult::kHit : CacheResult::kMiss]
        .Increment();
    metrics_.cache_requests[CacheResult::kEvicted].Increment(
        store_.num_evicted() - evicted_before);
    if (!entry.found && options_.encode_ahead && Idle()) {
      entry.image->encode_ahead = true;
      StartDecoding(entry.image);
    }
    UpdateGauges();
  }
  return ref;
}

absl::StatusOr<VisionEngine::ImagePtr> VisionEngine::MakeImage(
    absl::string_view file, int64_t max_tiles) const {
  if (max_tiles < 0 || max_tiles > kMaxTilesPerImage) {
    return FieldError("max_tiles", absl::StrCat(max_tiles, " is outside [0, ",
                                                kMaxTilesPerImage, "]"));
  }
  const Preprocessing preprocessing{
      .profile = options_.profile,
      .tile_size = options_.tile_size,
      .max_tiles = max_tiles == 0 ? options_.default_max_tiles
                                  : static_cast<int>(max_tiles)};
  auto image = std::make_shared<StoredImage>();
  TANDEM_ASSIGN_OR_RETURN(image->header,
                          ReadImageHeader(file, options_.limits));
  TANDEM_ASSIGN_OR_RETURN(image->grid, preprocessing.GridOf(image->header));
  image->sha256 = absl::HexStringToBytes(Sha256Hex(file));
  image->preprocessing_id = preprocessing.id();
  image->file = std::string(file);
  image->tiles.resize(image->grid.num_tiles());
  const int64_t pixel_bytes =
      int64_t{3} * options_.tile_size * options_.tile_size;
  const int64_t embedding_bytes = encoder_.format().tile_bytes();
  image->held_bytes = file.size() + image->grid.num_tiles() *
                                        std::max(pixel_bytes, embedding_bytes);
  return image;
}

int VisionEngine::ReleaseImages(const std::vector<std::string>& handles) {
  absl::MutexLock lock(&mutex_);
  int released = 0;
  for (const std::string& handle : handles) {
    released += store_.Release(handle, clock_.Monotonic()) ? 1 : 0;
  }
  UpdateGauges();
  return released;
}

void VisionEngine::ExpireImages() {
  absl::MutexLock lock(&mutex_);
  store_.Expire(clock_.Monotonic());
  UpdateGauges();
}

absl::StatusOr<std::unique_ptr<VisionEngine::Stream>> VisionEngine::OpenStream(
    absl::string_view handle, int64_t first_tile, int64_t num_tiles) {
  Wakeups wakeups;
  absl::StatusOr<std::shared_ptr<Stream::State>> state;
  {
    absl::MutexLock lock(&mutex_);
    state = AddStream(handle, first_tile, num_tiles);
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
                        int64_t num_tiles) {
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
  if (NumWantedTiles() + num_tiles > options_.max_queued_tiles) {
    return Overloaded("tiles", NumWantedTiles(), options_.max_queued_tiles);
  }
  if (image->phase == Phase::kFile &&
      static_cast<int>(decode_queue_.size()) >= options_.max_queued_images) {
    return Overloaded("images", decode_queue_.size(),
                      options_.max_queued_images);
  }
  auto state = std::make_shared<Stream::State>();
  state->engine = this;
  state->image = image;
  state->next = static_cast<int>(first_tile);
  state->end = static_cast<int>(first_tile + num_tiles);
  state->mark = clock_.Monotonic();
  streams_.push_back(state);
  ++image->num_streams;
  for (int i = state->next; i < state->end; ++i) {
    ++image->tiles[i].num_wanting;
  }
  return state;
}

void VisionEngine::Close(Stream::State& stream) {
  Wakeups wakeups;
  {
    absl::MutexLock lock(&mutex_);
    if (stream.closed) return;
    stream.closed = true;
    for (int i = stream.next; i < stream.end; ++i) {
      --stream.image->tiles[i].num_wanting;
    }
    --stream.image->num_streams;
    stream.image->last_use = clock_.Monotonic();
    streams_.erase(
        std::find_if(streams_.begin(), streams_.end(),
                     [&](const auto& open) { return open.get() == &stream; }));
    stream.failure = absl::CancelledError("the stream was cancelled");
    Deliver(stream, wakeups);
    UpdateGauges();
  }
  for (const auto& wake : wakeups) wake();
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
  --tile.num_wanting;
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

void VisionEngine::StartDecoding(const ImagePtr& image) {
  if (image->phase != Phase::kFile) return;
  image->phase = Phase::kDecoding;
  decode_queue_.push_back(image);
}

void VisionEngine::DecodeLoop() {
  while (true) {
    ImagePtr image;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !decode_queue_.empty();
      };
      mutex_.AwaitWithTimeout(absl::Condition(&has_work), absl::Seconds(1));
      if (stopping_) return;
      store_.Expire(clock_.Monotonic());
      if (decode_queue_.empty()) {
        UpdateGauges();
        continue;
      }
      image = std::move(decode_queue_.front());
      decode_queue_.pop_front();
      ++num_decoding_;
    }
    Decode(image);
  }
}

// In kDecoding the file belongs to the one thread that decodes it.
void VisionEngine::Decode(const ImagePtr& image) {
  const absl::Duration begin = clock_.Monotonic();
  const bool apply_exif = options_.profile == PreprocessingProfile::kHf;
  absl::StatusOr<RgbImage> pixels =
      DecodeImage(
      image->file, {.apply_exif = apply_exif, .limits = options_.limits});
  const absl::Duration end = clock_.Monotonic();
  std::vector<RgbImage> cut;
  if (pixels.ok()) cut = CutTiles(*pixels, image->grid, options_.tile_size);
  const absl::Duration ready = clock_.Monotonic();

  Wakeups wakeups;
  {
    absl::MutexLock lock(&mutex_);
    --num_decoding_;
    image->decode_begin = begin;
    image->decode_end = end;
    image->tiles_ready = ready;
    image->file = std::string();
    if (pixels.ok()) {
      for (size_t i = 0; i < cut.size(); ++i) {
        image->tiles[i].pixels = std::move(cut[i]);
      }
      image->phase = Phase::kTiles;
      CountImage(LabelOf(image->header.format), ImageResult::kOk);
      QueueWantedTiles(image, wakeups);
    } else {
      CountImage(LabelOf(image->header.format), ImageResult::kRejected);
      image->phase = Phase::kFailed;
      image->failure = pixels.status();
      FailStreams(image, /*tile=*/-1, image->failure, wakeups);
    }
    UpdateGauges();
  }
  for (const auto& wake : wakeups) wake();
}

void VisionEngine::QueueWantedTiles(const ImagePtr& image, Wakeups& wakeups) {
  if (image->phase != Phase::kTiles) return;
  for (size_t i = 0; i < image->tiles.size(); ++i) {
    StoredTile& tile = image->tiles[i];
    if (tile.state != TileState::kWaiting) continue;
    if (tile.num_wanting == 0 && !image->encode_ahead) continue;
    tile.state = TileState::kQueued;
    tile_queue_.emplace_back(image, static_cast<int>(i));
  }
  SubmitEncoding(wakeups);
}

// At most one piece of ours is with the executor, so that engines that share a
// device take turns tile by tile.
void VisionEngine::SubmitEncoding(Wakeups& wakeups) {
  if (encode_submitted_ || tile_queue_.empty() || stopping_) return;
  encode_submitted_ = true;
  const absl::Status status = executor_.Submit([this] { EncodeNext(); });
  if (status.ok()) return;
  encode_submitted_ = false;
  for (const auto& [image, tile] : tile_queue_) {
    image->tiles[tile].state = TileState::kWaiting;
    FailStreams(image, tile, status, wakeups);
  }
  tile_queue_.clear();
}

// Takes the first tile that a stream waits for, else the first that is worth
// encoding ahead. What nobody wants any more is dropped on the way.
bool VisionEngine::NextQueuedTile(ImagePtr& image, int& tile) {
  auto chosen = tile_queue_.end();
  for (auto it = tile_queue_.begin(); it != tile_queue_.end();) {
    StoredTile& candidate = it->first->tiles[it->second];
    if (candidate.num_wanting > 0) {
      chosen = it;
      break;
    }
    if (it->first->num_handles == 0 || !it->first->encode_ahead) {
      candidate.state = TileState::kWaiting;
      it = tile_queue_.erase(it);
      chosen = tile_queue_.end();
      continue;
    }
    ++it;
  }
  if (tile_queue_.empty()) return false;
  if (chosen == tile_queue_.end()) chosen = tile_queue_.begin();
  image = chosen->first;
  tile = chosen->second;
  tile_queue_.erase(chosen);
  return true;
}

void VisionEngine::EncodeNext() {
  ImagePtr image;
  int index = 0;
  RgbImage pixels;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_ || !NextQueuedTile(image, index)) {
      encode_submitted_ = false;
      UpdateGauges();
      return;
    }
    StoredTile& tile = image->tiles[index];
    tile.state = TileState::kEncoding;
    tile.encode_begin = clock_.Monotonic();
    pixels = std::move(tile.pixels);
  }
  absl::StatusOr<std::string> embeddings = encoder_.Encode(pixels);
  Wakeups wakeups;
  {
    absl::MutexLock lock(&mutex_);
    StoredTile& tile = image->tiles[index];
    tile.encode_end = clock_.Monotonic();
    metrics_.batch_tiles.Observe(1);
    if (embeddings.ok()) {
      tile.state = TileState::kEncoded;
      tile.embeddings =
          std::make_shared<const std::string>(*std::move(embeddings));
      DeliverAll(image, wakeups);
    } else {
      tile.state = TileState::kWaiting;
      tile.pixels = std::move(pixels);  // For whoever asks again.
      CountFailure(embeddings.status());
      FailStreams(image, index, embeddings.status(), wakeups);
    }
    encode_submitted_ = false;
    SubmitEncoding(wakeups);
    UpdateGauges();
  }
  for (const auto& wake : wakeups) wake();
}

int VisionEngine::NumWantedTiles() const {
  int wanted = 0;
  for (const auto& stream : streams_) wanted += stream->end - stream->next;
  return wanted;
}

bool VisionEngine::Idle() const {
  return streams_.empty() && decode_queue_.empty() && num_decoding_ == 0 &&
         !encode_submitted_;
}

VisionEngine::Load VisionEngine::load() const {
  absl::MutexLock lock(&mutex_);
  return {.images = store_.num_images(),
          .handles = store_.num_handles(),
          .streams = static_cast<int>(streams_.size()),
          .held_bytes = store_.held_bytes(),
          .max_held_bytes = store_.max_held_bytes(),
          .queued_tiles = NumWantedTiles(),
          .max_queued_tiles = options_.max_queued_tiles,
          .idle = Idle()};
}

void VisionEngine::CountImage(ImageFormatLabel format, ImageResult result) {
  metrics_.images[format][result].Increment();
}

void VisionEngine::CountFailure(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  if (reason == reason::kNumericFault) metrics_.numeric_faults.Increment();
  if (reason == reason::kDeviceOutOfMemory) metrics_.device_oom.Increment();
}

void VisionEngine::UpdateGauges() {
  metrics_.queue_depth.Set(NumWantedTiles());
  metrics_.cache_bytes.Set(store_.held_bytes());
}

}  // namespace tandem
