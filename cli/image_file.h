#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/image_header.h"

namespace tandem {

// The bytes of a picture's file, unopened. NOT_FOUND, PERMISSION_DENIED, or
// INVALID_ARGUMENT for what is no regular file or above 20 MiB, naming `path`.
absl::StatusOr<std::string> ReadImageFile(const std::string& path);

// A picture that a model can be asked about, as far as its header tells.
struct Picture {
  std::string bytes;
  ImageHeader header;
};
// Errors of ReadImageFile, and what ReadImageHeader finds as INVALID_ARGUMENT
// naming `path`.
absl::StatusOr<Picture> ReadPicture(const std::string& path);

}  // namespace tandem
