#include "vision_service/vision_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/preprocessing.h"
#include "common/sha256.h"
#include "common/status_macros.h"
#include "vision_service/vision_stream.h"

namespace tandem {

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
