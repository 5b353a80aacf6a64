#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tile_grid.h"
#include "vision_service/image_decoder.h"

namespace tandem {

// Resizes with Pillow's bicubic filter, bit for bit: horizontal pass first,
// then vertical, 8-bit intermediate, 22-bit fixed-point weights. The same size
// is a copy. Sizes > 0. Thread-safe. Source: Pillow 12
// src/libImaging/Resample.c; Keys 1981 with a = -0.5, widened when shrinking.
RgbImage ResizeBicubic(const RgbImage& image, int width, int height);

// Cuts the image into the grid's square tiles in row-major order, the thumbnail
// last where the grid has more than one tile. Each [tile_size, tile_size, 3].
std::vector<RgbImage> CutTiles(const RgbImage& image, const TileGrid& grid,
                               int tile_size);

// The normalised values of one tile, [3, tile_size, tile_size] float32:
// (v / 255 - mean) / std by channel, each operation rounded once, with
// ImageNet's mean and standard deviation. `out` has room for 3 x tile_size^2.
void NormalizeTile(const RgbImage& tile, float* out);

}  // namespace tandem
