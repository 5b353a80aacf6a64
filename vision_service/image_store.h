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
#include "absl/types/optional.h"
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

  // Whether a stream waits for the vision tower.
  bool awaited() const { return num_wanting > 0 && state != State::kEncoded; }
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
  int64_t file_bytes = 0;
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

  // Whether somebody would take its tiles.
  bool wanted() const {
    return num_streams > 0 || (encode_ahead && num_handles > 0);
  }
};

// Images by handle, bounded in bytes. Images without a handle stay as a cache
// until their room is wanted or their time has come; an image with a live
// handle is never evicted: Put is refused instead. Not thread-safe.
//
// A handle lives until it is released, or else until it has not been read for
// `time_to_live` and the request that it was made for is over.
class ImageStore {
 public:
  struct Options {
    int64_t max_held_bytes = int64_t{1} << 30;
    absl::Duration time_to_live = absl::Seconds(60);  // after the last use
  };
  explicit ImageStore(Options options) : options_(options) {}

  using ImagePtr = std::shared_ptr<StoredImage>;
  // Images that the store has let go. Megabytes are given back when the list
  // goes: not under a lock.
  using Forgotten = std::vector<ImagePtr>;

  // A new handle of an image.
  struct Entry {
    std::string handle;  // random, 16 bytes
    ImagePtr image;
  };
  // A handle of the image that is held already, if one is, of equal bytes and
  // preprocessing. `keep_until` is the deadline of the request.
  absl::StatusOr<absl::optional<Entry>> PutEqual(const StoredImage& image,
                                                 absl::Duration now,
                                                 absl::Duration keep_until);
  // Keeps `image`, or finds its equal. RESOURCE_EXHAUSTED OVERLOADED, with a
  // delay, when live images leave no room for it; nothing is evicted then.
  // INVALID_ARGUMENT IMAGE_TOO_LARGE when it would not fit an empty store.
  absl::StatusOr<Entry> Put(ImagePtr image, absl::Duration now,
                            absl::Duration keep_until, Forgotten& forgotten);

  // Null for an unknown or expired handle. Counts as a use.
  ImagePtr Find(absl::string_view handle, absl::Duration now);

  // A stream reads by `handle`, which Find has just found, until EndRead: while
  // it does, neither handle nor image goes. A handle may be released meanwhile.
  void BeginRead(absl::string_view handle, absl::Duration now);
  void EndRead(absl::string_view handle, StoredImage& image,
               absl::Duration now);

  // Forgets a handle; false where there was none.
  bool Release(absl::string_view handle, absl::Duration now);

  // Forgets handles and images whose time is over.
  void Expire(absl::Duration now, Forgotten& forgotten);

  int num_images() const { return static_cast<int>(images_.size()); }
  int num_handles() const { return static_cast<int>(handles_.size()); }
  int64_t held_bytes() const { return held_bytes_; }
  int64_t max_held_bytes() const { return options_.max_held_bytes; }
  // Images evicted to make room, ever.
  int64_t num_evicted() const { return num_evicted_; }

 private:
  struct Handle {
    ImagePtr image;
    absl::Duration last_use;
    absl::Duration keep_until;
    int num_streams = 0;
  };
  absl::StatusOr<Entry> AddHandle(ImagePtr image, absl::Duration now,
                                  absl::Duration keep_until);
  absl::Status MakeRoom(int64_t bytes, Forgotten& forgotten);
  void Forget(const ImagePtr& image);

  const Options options_;
  absl::flat_hash_map<std::string, Handle> handles_;
  // By digest and preprocessing.
  absl::flat_hash_map<std::string, ImagePtr> images_;
  int64_t held_bytes_ = 0;
  int64_t num_evicted_ = 0;
};

}  // namespace tandem
