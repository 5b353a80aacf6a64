#pragma once

#include "absl/strings/string_view.h"

namespace tandem {

// The Orientation entry, 1 to 8, of an Exif block: a TIFF structure, with or
// without "Exif\0\0" in front. 1, upright, where there is none or it is broken.
// Never reads past `exif`. Thread-safe.
// Source: CIPA DC-008 (Exif 2.32), 4.5 and 4.6.4; TIFF 6.0.
int ReadExifOrientation(absl::string_view exif);

}  // namespace tandem
