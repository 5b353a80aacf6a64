#include "common/preprocessing.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tandem {

std::string Preprocessing::id() const {
  return absl::StrCat(
      profile == PreprocessingProfile::kCustom ? "custom" : "hf", "/",
      tile_size, "/", max_tiles);
}

absl::StatusOr<TileGrid> Preprocessing::GridOf(
    const ImageHeader& header) const {
  // Orientations 5 to 8 lie on their side.
  const bool on_its_side = apply_exif() && header.orientation >= 5;
  const int width = on_its_side ? header.height : header.width;
  const int height = on_its_side ? header.width : header.height;
  return ChooseTileGrid(width, height, tile_size, max_tiles);
}

}  // namespace tandem
