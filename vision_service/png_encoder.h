#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "vision_service/rgb_image.h"

namespace tandem {

// The image as a PNG file, 8 bits a channel, lossless: to look at a tile.
// INTERNAL for an image without pixels or where OpenCV fails. Thread-safe.
absl::StatusOr<std::string> EncodePng(const RgbImage& image);

}  // namespace tandem
