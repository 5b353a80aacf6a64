#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace tandem {

// The key that a file holds: 1 to 512 visible ASCII characters, with or without
// blanks and line ends around them. NOT_FOUND, PERMISSION_DENIED or
// INVALID_ARGUMENT; messages begin with `path` and show nothing of what is in
// the file.
absl::StatusOr<std::string> ReadApiKeyFile(const std::string& path);

}  // namespace tandem
