#pragma once

#include "vision_service/rgb_image.h"

namespace tandem {

// Turns and mirrors an image so that it stands upright: a new image, of swapped
// sides for 5 to 8.
//
//   orientation  1 to 8: which corner of the scene the first pixel shows
//
// Thread-safe.
//
// Source: CIPA DC-008 (Exif 2.32), 4.6.4, Orientation.
RgbImage ApplyOrientation(const RgbImage& image, int orientation);

}  // namespace tandem
