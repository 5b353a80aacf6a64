#include "vision_service/orientation.h"

#include <algorithm>

namespace tandem {

RgbImage ApplyOrientation(const RgbImage& image, int orientation) {
  // Undone in this order: mirror left to right, mirror top to bottom, swap
  // axes.
  const bool mirror_x = orientation == 2 || orientation == 3 ||
                        orientation == 7 || orientation == 8;
  const bool mirror_y = orientation == 3 || orientation == 4 ||
                        orientation == 6 || orientation == 7;
  const bool swap = orientation >= 5;
  RgbImage upright = swap ? MakeRgbImage(image.height, image.width)
                          : MakeRgbImage(image.width, image.height);
  for (int y = 0; y < image.height; ++y) {
    const int to_y = mirror_y ? image.height - 1 - y : y;
    for (int x = 0; x < image.width; ++x) {
      const int to_x = mirror_x ? image.width - 1 - x : x;
      uint8_t* to = swap ? upright.row(to_x) + static_cast<size_t>(to_y) * 3
                         : upright.row(to_y) + static_cast<size_t>(to_x) * 3;
      std::copy_n(image.row(y) + static_cast<size_t>(x) * 3, 3, to);
    }
  }
  return upright;
}

}  // namespace tandem
