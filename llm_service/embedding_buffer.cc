#include "llm_service/embedding_buffer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tandem {

EmbeddingBuffer::EmbeddingBuffer(absl::Span<const ImageSpan> images,
                                 int tokens_per_tile, int num_prompt)
    : tokens_per_tile_(tokens_per_tile), num_prompt_(num_prompt) {
  for (const ImageSpan& image : images) {
    for (int tile = 0; tile * tokens_per_tile < image.num_tokens; ++tile) {
      Slot slot;
      slot.image_index = image.image_index;
      slot.tile_index = tile;
      slot.first_token = image.first_token + tile * tokens_per_tile;
      slots_.push_back(std::move(slot));
    }
  }
  MoveFrontier();
}

absl::Status EmbeddingBuffer::Put(EmbeddingTile tile) {
  for (Slot& slot : slots_) {
    if (slot.image_index != tile.image_index ||
        slot.tile_index != tile.tile_index) {
      continue;
    }
    if (slot.arrived) break;
    slot.tile = std::move(tile);
    slot.arrived = true;
    MoveFrontier();
    return absl::OkStatus();
  }
  return absl::InternalError(
      absl::StrCat("tile ", tile.tile_index, " of image ", tile.image_index,
                   " came twice or has no place in the prompt"));
}

void EmbeddingBuffer::MoveFrontier() {
  while (num_ready_ < num_tiles() && slots_[num_ready_].arrived) ++num_ready_;
  frontier_ =
      num_ready_ < num_tiles() ? slots_[num_ready_].first_token : num_prompt_;
}

std::vector<EmbeddingRows> EmbeddingBuffer::Rows(int first, int count,
                                                 int slot) const {
  std::vector<EmbeddingRows> rows;
  for (int i = num_released_; i < num_ready_; ++i) {
    const Slot& source = slots_[i];
    const int begin = std::max(first, source.first_token);
    const int end =
        std::min(first + count, source.first_token + tokens_per_tile_);
    if (begin >= end) continue;
    const EmbeddingTile& tile = *source.tile;
    const size_t row_bytes = ElementSize(tile.dtype) * tile.hidden_size;
    EmbeddingRows piece;
    piece.first_slot = slot + begin - first;
    piece.num_rows = end - begin;
    piece.dtype = tile.dtype;
    piece.data = tile.data.data() + row_bytes * (begin - source.first_token);
    rows.push_back(piece);
  }
  return rows;
}

int EmbeddingBuffer::Release(int end) {
  int released = 0;
  while (num_released_ < num_ready_ &&
         slots_[num_released_].first_token + tokens_per_tile_ <= end) {
    slots_[num_released_++].tile.reset();
    ++released;
  }
  return released;
}

}  // namespace tandem
