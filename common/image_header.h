#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tandem {

enum class ImageFormat { kJpeg, kPng, kWebp, kBmp };

// "jpeg", "png", "webp", "bmp": label values and words in messages.
absl::string_view ImageFormatName(ImageFormat format);

struct ImageHeader {
  ImageFormat format = ImageFormat::kJpeg;
  int width = 0;   // pixels, before any EXIF rotation
  int height = 0;  // pixels
  // EXIF orientation, 1 to 8 (1: upright, or none is given).
  int orientation = 1;
};

struct ImageLimits {
  int64_t max_bytes = 20 << 20;  // of the file
  int64_t max_pixels = 40'000'000;
  int max_side = 16'384;  // pixels
};

// INVALID_ARGUMENT IMAGE_TOO_LARGE for a file of more bytes than allowed.
absl::Status CheckImageBytes(int64_t bytes, const ImageLimits& limits = {});

// Reads format and size from the first bytes of an image file, without decoding
// a pixel. The format is told by its magic bytes alone: JPEG, PNG, WebP, BMP.
//
// INVALID_ARGUMENT IMAGE_UNSUPPORTED_FORMAT for anything else, naming what it
// looks like where that is known; IMAGE_INVALID for an empty file, a broken
// header or a side of 0; IMAGE_TRUNCATED when the header ends too soon;
// IMAGE_TOO_LARGE naming the value and the bound. Thread-safe, never reads past
// `file`.
absl::StatusOr<ImageHeader> ReadImageHeader(absl::string_view file,
                                            const ImageLimits& limits = {});

}  // namespace tandem
