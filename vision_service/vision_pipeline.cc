// From an image's file to the embeddings of its tiles: decode threads, and
// tiles on the device's executor in the order of demand.
#include <utility>

#include "common/errors.h"
#include "common/status_macros.h"
#include "vision_service/out_of_memory.h"
#include "vision_service/tiles.h"
#include "vision_service/vision_stream.h"

namespace tandem {
namespace {

using TileState = StoredTile::State;
using Phase = StoredImage::Phase;

}  // namespace

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
      image = NextToDecode();
    }
    if (image != nullptr) Decode(image);
    Expire();
  }
}

// What nobody wants any more keeps its file until it is asked for again.
VisionEngine::ImagePtr VisionEngine::NextToDecode() {
  while (!decode_queue_.empty()) {
    ImagePtr image = std::move(decode_queue_.front());
    decode_queue_.pop_front();
    if (image->wanted()) {
      ++num_decoding_;
      return image;
    }
    image->phase = Phase::kFile;
  }
  return nullptr;
}

// In kDecoding the file belongs to the one thread that decodes it.
void VisionEngine::Decode(const ImagePtr& image) {
  const absl::Duration begin = clock_.Monotonic();
  absl::Duration end = begin;
  const DecodeOptions decode_options = {
      .apply_exif = options_.profile == PreprocessingProfile::kHf,
      .limits = options_.limits};
  absl::StatusOr<std::vector<RgbImage>> tiles = CatchOutOfMemory(
      "decode the image", [&]() -> absl::StatusOr<std::vector<RgbImage>> {
        TANDEM_ASSIGN_OR_RETURN(const RgbImage pixels,
                                options_.decode(image->file, decode_options));
        end = clock_.Monotonic();
        return CutTiles(pixels, image->grid, options_.tile_size);
      });
  const absl::Duration ready = clock_.Monotonic();

  Wakeups wakeups;
  std::string file;  // Goes after the lock.
  {
    absl::MutexLock lock(&mutex_);
    --num_decoding_;
    if (tiles.ok()) {
      for (size_t i = 0; i < tiles->size(); ++i) {
        image->tiles[i].pixels = std::move((*tiles)[i]);
      }
      image->decode_begin = begin;
      image->decode_end = end;
      image->tiles_ready = ready;
      image->phase = Phase::kTiles;
      file.swap(image->file);
      CountImage(ToLabel(image->header.format), ImageResult::kOk);
      QueueWantedTiles(image, wakeups);
    } else {
      CountFailure(tiles.status());
      if (absl::IsResourceExhausted(tiles.status())) {
        image->phase = Phase::kFile;  // For whoever asks again.
      } else {
        CountImage(ToLabel(image->header.format), ImageResult::kRejected);
        image->phase = Phase::kFailed;
        image->failure = tiles.status();
        file.swap(image->file);
      }
      FailStreams(image, /*tile=*/-1, tiles.status(), wakeups);
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
      num_awaited_tiles_ -= tile.awaited() ? 1 : 0;
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

}  // namespace tandem
