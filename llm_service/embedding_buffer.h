#pragma once

#include <deque>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/embedding_wire.h"
#include "llm_service/prompt_layout.h"
#include "llm_service/step.h"

namespace tandem {

// The tiles of one prompt between arrival and prefill. Tiles may come in any
// order; the frontier moves when the next one in prompt order is there. Not
// thread-safe.
class EmbeddingBuffer {
 public:
  // `images` in prompt order; num_prompt is the prompt's length.
  EmbeddingBuffer(absl::Span<const ImageSpan> images, int tokens_per_tile,
                  int num_prompt);

  // Takes a verified tile. INTERNAL for one that the prompt has no place for or
  // that came before: the sender of tiles is our own code.
  absl::Status Put(EmbeddingTile tile);

  // Prompt tokens before this one have what they need.
  int frontier() const { return frontier_; }
  int num_tiles() const { return static_cast<int>(slots_.size()); }

  // The embedding rows among prompt tokens [first, first + count), which end at
  // or before the frontier; first_slot counts from `slot` for token `first`.
  // The data is borrowed from this until Release.
  std::vector<EmbeddingRows> Rows(int first, int count, int slot) const;

  // Drops the tiles that end at or before prompt token `end` and returns how
  // many were dropped now.
  int Release(int end);

 private:
  struct Slot {
    int image_index = 0;
    int tile_index = 0;
    int first_token = 0;
    absl::optional<EmbeddingTile> tile;
    bool arrived = false;
  };
  void MoveFrontier();

  const int tokens_per_tile_;
  const int num_prompt_;
  std::vector<Slot> slots_;  // in prompt order
  int frontier_ = 0;
  int num_ready_ = 0;     // slots before the frontier
  int num_released_ = 0;  // slots whose tile was dropped
};

}  // namespace tandem
