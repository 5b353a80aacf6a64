#pragma once

#include <vector>

#include "common/tile_grid.h"
#include "vision_service/resizer.h"
#include "vision_service/rgb_image.h"

namespace tandem {

// Cuts the image, resized to the grid, into its square tiles in row-major
// order; the thumbnail, the whole image resized to one tile, comes last where
// the grid has more than one tile. Each [tile_size, tile_size, 3]. The image's
// aspect ratio is not kept. Thread-safe.
//
// Source: dynamic_preprocess of InternVL 1.5's release, arXiv:2404.16821.
std::vector<RgbImage> CutTiles(const RgbImage& image, const TileGrid& grid,
                               int tile_size);

// The normalised values of one tile, [3, tile_size, tile_size] float32:
// (v / 255 - mean) / std by channel, each operation rounded once, with
// ImageNet's mean and standard deviation. `out` has room for 3 x tile_size^2.
// Thread-safe.
void NormalizeTile(const RgbImage& tile, float* out);

}  // namespace tandem
