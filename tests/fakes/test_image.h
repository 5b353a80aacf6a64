#pragma once

#include <cstdint>
#include <string>

#include "vision_service/image_decoder.h"

namespace tandem {

// A picture that any language can make from its size: the formula of the
// reference goldens.
inline RgbImage SyntheticImage(int width, int height) {
  RgbImage image;
  image.width = width;
  image.height = height;
  image.pixels.reserve(3 * static_cast<size_t>(width) * height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int m = 31 * x + 17 * y + 13 * ((x * y) >> 3);
      for (const int shift : {0, 89, 178}) {
        image.pixels.push_back(static_cast<uint8_t>((m + shift) & 255));
      }
    }
  }
  return image;
}

}  // namespace tandem
