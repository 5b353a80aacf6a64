#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tandem {

// Pixels, 8 bits a channel, interleaved: [height, width, 3], RGB.
struct RgbImage {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> pixels;

  size_t row_bytes() const { return static_cast<size_t>(width) * 3; }
  const uint8_t* row(int y) const { return pixels.data() + y * row_bytes(); }
  uint8_t* row(int y) { return pixels.data() + y * row_bytes(); }
};

// All black. Sizes > 0.
inline RgbImage MakeRgbImage(int width, int height) {
  return {width, height,
          std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
}

}  // namespace tandem
