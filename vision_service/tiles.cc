#include "vision_service/tiles.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tandem {
namespace {

RgbImage Crop(const RgbImage& image, int left, int top, int size) {
  RgbImage result = MakeRgbImage(size, size);
  for (int y = 0; y < size; ++y) {
    std::copy_n(image.row(top + y) + static_cast<size_t>(left) * 3,
                result.row_bytes(), result.row(y));
  }
  return result;
}

// By channel and 8-bit value.
using NormalizationTable = std::array<std::array<float, 256>, 3>;

NormalizationTable MakeNormalizationTable() {
  constexpr float kMean[3] = {0.485f, 0.456f, 0.406f};
  constexpr float kStd[3] = {0.229f, 0.224f, 0.225f};
  NormalizationTable table;
  for (int channel = 0; channel < 3; ++channel) {
    for (int value = 0; value < 256; ++value) {
      const float unit = static_cast<float>(value) / 255.0f;
      const float centered = unit - kMean[channel];
      table[channel][value] = centered / kStd[channel];
    }
  }
  return table;
}

}  // namespace

std::vector<RgbImage> CutTiles(const RgbImage& image, const TileGrid& grid,
                               int tile_size) {
  std::vector<RgbImage> tiles;
  tiles.reserve(grid.num_tiles());
  RgbImage mosaic =
      ResizeBicubic(image, grid.columns * tile_size, grid.rows * tile_size);
  if (grid.columns * grid.rows == 1) {
    tiles.push_back(std::move(mosaic));
    return tiles;
  }
  for (int row = 0; row < grid.rows; ++row) {
    for (int column = 0; column < grid.columns; ++column) {
      tiles.push_back(
          Crop(mosaic, column * tile_size, row * tile_size, tile_size));
    }
  }
  tiles.push_back(ResizeBicubic(image, tile_size, tile_size));
  return tiles;
}

void NormalizeTile(const RgbImage& tile, float* out) {
  static const NormalizationTable table = MakeNormalizationTable();
  const size_t num_pixels = static_cast<size_t>(tile.width) * tile.height;
  const uint8_t* pixel = tile.pixels.data();
  for (size_t i = 0; i < num_pixels; ++i, pixel += 3) {
    out[i] = table[0][pixel[0]];
    out[num_pixels + i] = table[1][pixel[1]];
    out[2 * num_pixels + i] = table[2][pixel[2]];
  }
}

}  // namespace tandem
