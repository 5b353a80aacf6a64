#pragma once

#include <string>

#include "absl/status/status.h"

namespace tandem {

// What went wrong, on one line for a person and for grep: "INVALID_ARGUMENT
// IMAGE_TRUNCATED: messages[0].content[0].image: ...". A status that never was
// a service's answer, so that it has no reason, is its message alone.
std::string ErrorLine(const absl::Status& status);

// Prints "program: <ErrorLine>" to standard error.
void PrintError(const std::string& program, const absl::Status& status);

}  // namespace tandem
