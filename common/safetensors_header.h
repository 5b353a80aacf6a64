#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/safetensors.h"

namespace tandem {

// Parses the JSON header of a safetensors file whose data has `data_size`
// bytes. Offsets in the result count from the beginning of the data. Checks
// everything that SafetensorsFile::Open lists; INVALID_ARGUMENT with what is
// wrong, without a file name. Builds no document: an adversary's nesting costs
// nothing.
absl::StatusOr<std::map<std::string, StoredTensor, std::less<>>>
ParseSafetensorsHeader(absl::string_view header, int64_t data_size);

}  // namespace tandem
