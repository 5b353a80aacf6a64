#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/embedding_wire.h"
#include "tandem/v1/vision.pb.h"

namespace tandem {

// Tiles that one request holds or has asked for at a time, at least: room for
// one that is computed on and one that comes.
inline constexpr int kMinWindowTiles = 2;

// What to pull: all tiles of some images.
struct EmbeddingPull {
  std::string request_id;
  std::vector<v1::ImageRef> images;
  int window_tiles = 4;     // >= kMinWindowTiles
  absl::Duration deadline;  // Clock::Monotonic
};

// A verified tile, and when it was asked for and whole (Clock::Monotonic).
struct PulledTile {
  EmbeddingTile tile;
  absl::Duration asked;
  absl::Duration arrived;
};

// Where the embeddings of images come from. Thread-safe.
class EmbeddingSource {
 public:
  // Called from any thread, one at a time for one pull. Must not block.
  struct Sink {
    std::function<void(PulledTile)> on_tile;
    // At most once; nothing follows it.
    std::function<void(absl::Status)> on_error;
  };

  // A pull under way. Its end cancels what is still asked for; calls of the
  // sink that have begun may still finish on another thread.
  class Handle {
   public:
    virtual ~Handle() = default;
    // `tiles` that were delivered are not held any more: as many new ones may
    // come. Thread-safe.
    virtual void AddRoom(int tiles) = 0;
  };

  virtual ~EmbeddingSource() = default;

  // Begins to pull. Tiles come in prompt order within a run, but runs may
  // overtake each other. At most `window_tiles` are asked for or delivered and
  // not given back.
  //
  // Errors, each with the image's index in metadata `image` where there is one:
  // FAILED_PRECONDITION EMBEDDING_INCOMPATIBLE, NOT_FOUND EMBEDDING_EXPIRED,
  // DATA_LOSS EMBEDDING_CORRUPT, UNAVAILABLE BACKEND_UNAVAILABLE,
  // DEADLINE_EXCEEDED, and whatever the vision service answers.
  virtual std::unique_ptr<Handle> Start(EmbeddingPull pull, Sink sink) = 0;
};

}  // namespace tandem
