#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tandem {

// Pixels, 8 bits a channel, interleaved: [height, width, 3], RGB.
struct RgbImage {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> pixels;
};

struct DecodeOptions {
  // Rotates and mirrors as the EXIF orientation says; the model's reference
  // code ignores it.
  bool apply_exif = false;
};

// Decodes JPEG, PNG, WebP or BMP, bit-equal with Pillow 12's
// Image.open(f).convert("RGB"): alpha is dropped, palettes are expanded, grey
// is repeated. 16-bit grey keeps its high byte where Pillow clips. The first
// frame of an animation counts.
//
// INVALID_ARGUMENT IMAGE_INVALID, IMAGE_TRUNCATED, IMAGE_UNSUPPORTED_FORMAT or
// IMAGE_TOO_LARGE (the bounds of common/image_header.h, checked before pixels
// exist). Thread-safe; needs width x height x 4 bytes and the result.
absl::StatusOr<RgbImage> DecodeImage(absl::string_view file,
                                     const DecodeOptions& options);

}  // namespace tandem
