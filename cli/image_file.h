#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace tandem {

// The bytes of a picture's file, unopened. NOT_FOUND, PERMISSION_DENIED, or
// INVALID_ARGUMENT for what is no regular file or above 20 MiB, naming `path`.
absl::StatusOr<std::string> ReadImageFile(const std::string& path);

}  // namespace tandem
