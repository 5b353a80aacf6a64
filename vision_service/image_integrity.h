#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/image_header.h"

namespace tandem {

// Scans of one JPEG. Encoders write up to about ten; each costs a pass over the
// whole picture and very few bytes.
inline constexpr int kMaxJpegScans = 100;

// Whether a file of which ReadImageHeader accepted the header is there to its
// end, because decoders fill in what is missing: JPEG up to its end-of-image
// marker, PNG up to IEND with every CRC, WebP the bytes that RIFF announces.
// BMP is left to DecodeBmp. Bytes after the end are ignored. Thread-safe.
//
// INVALID_ARGUMENT IMAGE_TRUNCATED; IMAGE_INVALID for a wrong CRC, a PNG
// without pixels or a JPEG of more than kMaxJpegScans scans.
absl::Status CheckImageIsWhole(absl::string_view file, ImageFormat format);

}  // namespace tandem
