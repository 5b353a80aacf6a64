#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "vision_service/rgb_image.h"

namespace tandem {

// Decodes a WebP file, of an animation the first frame on a black canvas; alpha
// is dropped. With libwebp itself: OpenCV 4.6 reads no animations.
//
// INVALID_ARGUMENT IMAGE_INVALID. REQUIRES what ReadImageHeader and
// CheckImageIsWhole accepted. Thread-safe.
absl::StatusOr<RgbImage> DecodeWebp(absl::string_view file);

}  // namespace tandem
