#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tandem {

// The whole of a regular file. NOT_FOUND, PERMISSION_DENIED, or
// INVALID_ARGUMENT for what is no regular file or above `max_bytes`, naming
// `path`.
absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         int64_t max_bytes);

// Writes a new file, for its owner's eyes alone, whole or not at all; or, where
// it may, replaces the one that is there ("PATH.part" first, then in its
// place). ALREADY_EXISTS where it may not; else what the system says, naming
// `path`.
absl::Status WriteTextFile(const std::string& path, absl::string_view text,
                           bool may_replace);

}  // namespace tandem
