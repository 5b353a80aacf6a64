#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/image_header.h"
#include "vision_service/rgb_image.h"

namespace tandem {

// Decodes a BMP file as Pillow does: 1, 4, 8, 16, 24 and 32 bits a pixel,
// palettes, bit fields, run lengths; alpha is dropped. Its own code, because
// OpenCV 4.6 scales 5-bit channels in another way and knows fewer headers.
//
// INVALID_ARGUMENT IMAGE_TRUNCATED when pixels are missing;
// IMAGE_UNSUPPORTED_FORMAT for other depths, compressions or bit fields.
// REQUIRES `header` as ReadImageHeader read it from `file`. Thread-safe.
// Source: Windows GDI, "Bitmap Storage"; Pillow 12 src/PIL/BmpImagePlugin.py.
absl::StatusOr<RgbImage> DecodeBmp(absl::string_view file,
                                   const ImageHeader& header);

}  // namespace tandem
