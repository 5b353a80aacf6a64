#pragma once

#include <string>

#include "absl/status/status.h"

namespace tandem {

// The file that lists the digests of a model directory, in the format of
// sha256sum: 64 hex digits, two spaces (or a space and a star), a file name.
inline constexpr char kWeightManifest[] = "SHA256SUMS";

// Hashes every file that `directory`/SHA256SUMS lists and compares: finds the
// flipped bit that no header shows. Reads the whole model, about 1 GB/s. Every
// *.safetensors file of the directory and config.json must be listed.
//
// NOT_FOUND without a manifest; INVALID_ARGUMENT for a line that is none, a
// name with a folder in it, or a file that should be listed and is not;
// DATA_LOSS for a file with another digest. Messages name the file.
absl::Status VerifyWeightManifest(const std::string& directory);

}  // namespace tandem
