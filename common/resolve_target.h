#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tandem {

// The addresses behind a target of CheckTarget, each to be dialled by itself:
// "HOST:PORT" is its own; of "dns:///NAME:PORT" every address of NAME, in order
// and without repetition, or none where the name is unknown now. Blocks while
// the system's resolver asks. Thread-safe.
std::vector<std::string> ResolveTarget(absl::string_view target);

}  // namespace tandem
