#include "common/tile_grid.h"

#include <cmath>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tandem {

absl::StatusOr<TileGrid> ChooseTileGrid(int width, int height, int tile_size,
                                        int max_tiles) {
  if (width < 1 || height < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("image size ", width, "x", height, " is not positive"));
  }
  if (tile_size < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("tile_size ", tile_size, " is not positive"));
  }
  if (max_tiles < kMinTilesPerImage || max_tiles > kMaxTilesPerImage) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tiles ", max_tiles, " is outside [",
                     kMinTilesPerImage, ", ", kMaxTilesPerImage, "]"));
  }
  const double aspect_ratio = static_cast<double>(width) / height;
  const double area = static_cast<double>(width) * height;
  const double half_tile_area = 0.5 * tile_size * tile_size;

  TileGrid best;
  double best_difference = std::numeric_limits<double>::infinity();
  // By number of tiles, then by width: the order that decides exact ties.
  for (int tiles = 1; tiles <= max_tiles; ++tiles) {
    for (int columns = 1; columns <= tiles; ++columns) {
      if (tiles % columns != 0) continue;
      const int rows = tiles / columns;
      const double difference =
          std::fabs(aspect_ratio - static_cast<double>(columns) / rows);
      const bool nearer = difference < best_difference;
      const bool tie = difference == best_difference;
      if (nearer || (tie && area > half_tile_area * tiles)) {
        best = {columns, rows};
        best_difference = difference;
      }
    }
  }
  return best;
}

}  // namespace tandem
