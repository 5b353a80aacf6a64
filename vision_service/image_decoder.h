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
// is repeated. The first frame of an animation counts. Two deviations: 16-bit
// grey keeps its high byte where Pillow clips at 255, and CMYK differs by up
// to 2.
//
// A file must be whole: its last marker or chunk is there, and every checksum
// that the format has is right. Bytes after its end are ignored.
//
// INVALID_ARGUMENT IMAGE_INVALID, IMAGE_TRUNCATED, IMAGE_UNSUPPORTED_FORMAT or
// IMAGE_TOO_LARGE. Thread-safe; needs width x height x 3 bytes for the result,
// as much again to apply EXIF, and what the format's own decoder needs (a
// progressive JPEG: up to width x height x 6).
absl::StatusOr<RgbImage> DecodeImage(absl::string_view file,
                                     const DecodeOptions& options);

}  // namespace tandem
