#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/image_header.h"
#include "vision_service/rgb_image.h"

namespace tandem {

struct DecodeOptions {
  // Rotates and mirrors as the EXIF orientation says; the model's reference
  // code ignores it.
  bool apply_exif = false;
  // Checked against the header, before pixels exist.
  ImageLimits limits = {};
};

// Decodes JPEG, PNG, WebP or BMP, bit-equal with Pillow 12's
// Image.open(f).convert("RGB"): alpha is dropped, palettes are expanded, grey
// is repeated. The first frame of an animation counts. Where it deviates:
// 16-bit grey keeps its high byte (Pillow clips at 255), CMYK differs by up to
// 2, and run-length BMP files may jump (Pillow misreads them).
//
// A file must be whole: its last marker or chunk is there, and the CRC of every
// PNG chunk is right, also where Pillow would not look. Bytes after the end are
// ignored.
//
// INVALID_ARGUMENT IMAGE_INVALID, IMAGE_TRUNCATED, IMAGE_UNSUPPORTED_FORMAT or
// IMAGE_TOO_LARGE; throws std::bad_alloc. Thread-safe. Needs width x height x 3
// bytes for the result, as much again while decoding, and up to width x height
// x 6 more for a progressive JPEG.
absl::StatusOr<RgbImage> DecodeImage(absl::string_view file,
                                     const DecodeOptions& options);

}  // namespace tandem
