#include "vision_service/vision_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/image_signature.h"
#include "common/preprocessing.h"
#include "common/sha256.h"
#include "common/status_macros.h"
#include "vision_service/image_integrity.h"
#include "vision_service/out_of_memory.h"
#include "vision_service/vision_stream.h"

namespace tandem {

ImageFormatLabel ToLabel(ImageFormat format) {
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
                                                    int64_t max_tiles,
                                                    absl::Duration keep_until) {
  absl::StatusOr<v1::ImageRef> ref = KeepImage(file, max_tiles, keep_until);
  if (!ref.ok()) {
    CountRefused(file);
    CountFailure(ref.status());
  }
  return ref;
}

absl::StatusOr<v1::ImageRef> VisionEngine::KeepImage(
    absl::string_view file, int64_t max_tiles, absl::Duration keep_until) {
  constexpr char kWhat[] = "keep the image";
  TANDEM_ASSIGN_OR_RETURN(const ImagePtr image, CatchOutOfMemory(kWhat, [&] {
                            return MakeImage(file, max_tiles);
                          }));
  {
    absl::MutexLock lock(&mutex_);
    TANDEM_ASSIGN_OR_RETURN(
        const auto equal,
        store_.PutEqual(*image, clock_.Monotonic(), keep_until));
    if (equal.has_value()) return TakeImage(*equal, CacheResult::kHit);
  }
  TANDEM_RETURN_IF_ERROR(CatchOutOfMemory(kWhat, [&] {
    image->file = std::string(file);
    return absl::OkStatus();
  }));
  ImageStore::Forgotten evicted;  // Goes after the lock.
  absl::MutexLock lock(&mutex_);
  TANDEM_ASSIGN_OR_RETURN(
      const ImageStore::Entry entry,
      store_.Put(image, clock_.Monotonic(), keep_until, evicted));
  metrics_.cache_requests[CacheResult::kEvicted].Increment(evicted.size());
  return TakeImage(
      entry, entry.image == image ? CacheResult::kMiss : CacheResult::kHit);
}

// All but the file itself, which a picture that is held already does not need.
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
  TANDEM_RETURN_IF_ERROR(CheckImageIsWhole(file, image->header.format));
  TANDEM_ASSIGN_OR_RETURN(image->grid, preprocessing.GridOf(image->header));
  image->sha256 = Sha256Digest(file);
  image->preprocessing_id = preprocessing.id();
  image->tiles.resize(image->grid.num_tiles());
  const int64_t pixel_bytes =
      int64_t{3} * options_.tile_size * options_.tile_size;
  const int64_t embedding_bytes = encoder_.format().tile_bytes();
  image->file_bytes = file.size();
  image->held_bytes =
      image->file_bytes +
      image->grid.num_tiles() * std::max(pixel_bytes, embedding_bytes);
  return image;
}

// Answers a reference to an image that was put, and begins with it where
// nothing else is to be done.
v1::ImageRef VisionEngine::TakeImage(const ImageStore::Entry& entry,
                                     CacheResult result) {
  const StoredImage& image = *entry.image;
  v1::ImageRef ref;
  ref.set_handle(entry.handle);
  ref.set_sha256(image.sha256);
  ref.set_preprocessing_id(image.preprocessing_id);
  ref.set_columns(image.grid.columns);
  ref.set_rows(image.grid.rows);
  ref.set_num_tiles(image.grid.num_tiles());
  ref.set_width(image.header.width);
  ref.set_height(image.header.height);
  metrics_.image_bytes.Observe(image.file_bytes);
  metrics_.image_pixels.Observe(1.0 * image.header.width * image.header.height);
  metrics_.image_tiles.Observe(image.grid.num_tiles());
  metrics_.cache_requests[result].Increment();
  if (options_.encode_ahead && image.phase == StoredImage::Phase::kFile &&
      Idle()) {
    entry.image->encode_ahead = true;
    StartDecoding(entry.image);
  }
  UpdateGauges();
  return ref;
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

void VisionEngine::Expire() {
  ImageStore::Forgotten forgotten;  // Goes after the lock.
  Wakeups wakeups;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Duration now = clock_.Monotonic();
    const auto open = streams_;  // End takes out of it.
    for (const auto& stream : open) {
      if (now < stream->deadline) continue;
      End(*stream,
          MakeError(absl::StatusCode::kDeadlineExceeded,
                    reason::kDeadlineExceeded,
                    absl::StrCat("the deadline passed before tile ",
                                 stream->next, " was taken")),
          wakeups);
    }
    store_.Expire(now, forgotten);
    UpdateGauges();
  }
  for (const auto& wake : wakeups) wake();
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
          .queued_tiles = num_awaited_tiles_,
          .max_queued_tiles = options_.max_queued_tiles,
          .idle = Idle()};
}

void VisionEngine::CountImage(ImageFormatLabel format, ImageResult result) {
  metrics_.images[format][result].Increment();
}

void VisionEngine::CountRefused(absl::string_view file) {
  const absl::StatusOr<ImageFormat> format = SniffImageFormat(file);
  CountImage(format.ok() ? ToLabel(*format) : ImageFormatLabel::kOther,
             ImageResult::kRejected);
}

void VisionEngine::CountFailure(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  if (reason == reason::kNumericFault) metrics_.numeric_faults.Increment();
  if (reason == reason::kDeviceOutOfMemory) metrics_.device_oom.Increment();
}

void VisionEngine::UpdateGauges() {
  metrics_.queue_depth.Set(num_awaited_tiles_);
  metrics_.cache_bytes.Set(store_.held_bytes());
}

}  // namespace tandem
