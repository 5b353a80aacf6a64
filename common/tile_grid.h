#pragma once

#include "absl/status/statusor.h"

namespace tandem {

// A grid of square tiles.
struct TileGrid {
  int columns = 1;
  int rows = 1;

  // Tiles that the model sees: the grid's, and the thumbnail where the grid has
  // more than one.
  int num_tiles() const {
    const int cut = columns * rows;
    return cut == 1 ? 1 : cut + 1;
  }
  friend bool operator==(const TileGrid&, const TileGrid&) = default;
};

// Bounds of `max_tiles`, everywhere.
inline constexpr int kMinTilesPerImage = 1;
inline constexpr int kMaxTilesPerImage = 40;

// Picks the grid whose aspect ratio is nearest to the image's, among all grids
// of 1 to `max_tiles` tiles. On an exact tie a larger grid wins only when the
// image has more than half the pixels that grid holds, so that a small image is
// not blown up.
//
//   width, height  image size in pixels, each > 0
//   tile_size      tile edge in pixels, > 0 (448 for InternVL)
//   max_tiles      in [1, 40], thumbnail not counted
//
// INVALID_ARGUMENT, naming the value, if one is out of range. Thread-safe.
// Source: "Dynamic High-Resolution", InternVL 1.5, arXiv:2404.16821; the tie
// rule is find_closest_aspect_ratio in that release.
absl::StatusOr<TileGrid> ChooseTileGrid(int width, int height, int tile_size,
                                        int max_tiles);

}  // namespace tandem
