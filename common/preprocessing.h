#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/image_header.h"
#include "common/model_config.h"
#include "common/tile_grid.h"

namespace tandem {

// Everything but the file's bytes that the tiles of an image depend on. The
// gateway plans with it, the vision service cuts with it: both see one grid.
struct Preprocessing {
  PreprocessingProfile profile = PreprocessingProfile::kCustom;
  int tile_size = 448;  // pixels
  int max_tiles = 12;   // in [1, 40], thumbnail not counted

  // Whether the image is turned upright as its EXIF orientation says. The
  // model's reference code does not; the Hugging Face processor does.
  bool apply_exif() const { return profile == PreprocessingProfile::kHf; }

  // The same values give the same words: "custom/448/12".
  std::string id() const;

  // The grid of the image as it will be cut. INVALID_ARGUMENT as
  // ChooseTileGrid.
  absl::StatusOr<TileGrid> GridOf(const ImageHeader& header) const;
};

}  // namespace tandem
