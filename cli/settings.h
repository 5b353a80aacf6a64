#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cli/conversation.h"

namespace tandem {

// What `/set NAME VALUE` changes: the numbers of v1::Sampling that shape an
// answer, by their names there, and max_tiles. Sorted.
std::vector<std::string> SettingNames();

// Sets one for every later request; "default" takes it back. INVALID_ARGUMENT
// that names the setting, the value and the bound of types.proto.
absl::Status ChangeSetting(absl::string_view name, absl::string_view value,
                           Conversation& conversation);

// "max_tokens 20, temperature 0.5": those that are set; empty for none.
std::string ShowSettings(const Conversation& conversation);

}  // namespace tandem
