#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/image_header.h"
#include "common/tile_grid.h"
#include "vision_service/image_decoder.h"

namespace tandem {

// A tile on its way from pixels to embeddings.
struct StoredTile {
  enum class State { kWaiting, kQueued, kEncoding, kEncoded };
  State state = State::kWaiting;
  // Streams that asked for it and have not had it. A queued tile that nobody
  // wants any more is skipped.
  int num_wanting = 0;
  RgbImage pixels;                                // until it is encoded
  std::shared_ptr<const std::string> embeddings;  // once it is
  absl::Duration encode_begin, encode_end;
};

// An image that the service holds: its file, then its pixels, then its
// embeddings. Handles of equal bytes and equal preprocessing share one.
struct StoredImage {
  enum class Phase { kFile, kDecoding, kTiles, kFailed };

  // Fixed when it is made.
  std::string sha256;            // of the file, 32 bytes
  std::string preprocessing_id;  // what else the tiles depend on
  ImageHeader header;
  TileGrid grid;
  int64_t held_bytes = 0;  // what it is charged for, at its largest

  Phase phase = Phase::kFile;
  std::string file;      // until it is decoded
  absl::Status failure;  // in kFailed
  std::vector<StoredTile> tiles;
  absl::Duration decode_begin, decode_end, tiles_ready;

  bool encode_ahead = false;  // all tiles are wanted while there is a handle
  int num_handles = 0;
  int num_streams = 0;  // open now; an image that is being read is not evicted
  absl::Duration last_use;
};

// Images by handle, bounded in bytes. Images without a handle stay as a cache
// until their room is wanted or their time has come; an image with a live
// handle is never evicted: Put is refused instead. Not thread-safe.
class ImageStore {
 public:
  struct Options {
    int64_t max_held_bytes = int64_t{1} << 30;
    absl::Duration time_to_live = absl::Seconds(60);  // after the last use
  };
  explicit ImageStore(Options options) : options_(options) {}

  struct Entry {
    std::string handle;  // random, 16 bytes
    std::shared_ptr<StoredImage> image;
    bool found = false;  // an equal image was held already
  };
  // Keeps `image` (or finds its equal) under a new handle. RESOURCE_EXHAUSTED
  // OVERLOADED, with a delay, when live images leave no room for it.
  absl::StatusOr<Entry> Put(std::shared_ptr<StoredImage> image, absl::Duration now);

  // Null for an unknown or expired handle. Counts as a use.
  std::shared_ptr<StoredImage> Find(absl::string_view handle, absl::Duration now);

  // Forgets a handle; false where there was none.
  bool Release(absl::string_view handle, absl::Duration now);

  // Forgets handles and images that were not used for `time_to_live`.
  void Expire(absl::Duration now);

  int num_images() const { return static_cast<int>(images_.size()); }
  int num_handles() const { return static_cast<int>(handles_.size()); }
  int64_t held_bytes() const { return held_bytes_; }
  int64_t max_held_bytes() const { return options_.max_held_bytes; }
  // Images evicted to make room, ever.
  int64_t num_evicted() const { return num_evicted_; }

 private:
  struct Handle {
    std::shared_ptr<StoredImage> image;
    absl::Duration last_use;
  };
  bool MakeRoom(int64_t bytes);
  void Forget(const std::shared_ptr<StoredImage>& image);

  const Options options_;
  absl::flat_hash_map<std::string, Handle> handles_;
  // By digest and preprocessing.
  absl::flat_hash_map<std::string, std::shared_ptr<StoredImage>> images_;
  int64_t held_bytes_ = 0;
  int64_t num_evicted_ = 0;
};

}  // namespace tandem
