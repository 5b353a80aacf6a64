#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/image_header.h"

namespace tandem {

// The format that a file's magic bytes tell; at least the bytes of the
// signature are there.
//
// INVALID_ARGUMENT IMAGE_INVALID for an empty file; IMAGE_TRUNCATED for a file
// that is no more than the beginning of a signature; IMAGE_UNSUPPORTED_FORMAT
// for all others, naming the format where it is a known one. Thread-safe.
absl::StatusOr<ImageFormat> SniffImageFormat(absl::string_view file);

}  // namespace tandem
