#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tandem {

// One `key = value` of a configuration file. A value is kept as text: a string
// without its quotes, a number without its underscores, `true` or `false`.
struct ConfigEntry {
  std::string key;
  std::vector<std::string> values;  // one, or those of an array
  int line = 0;                     // from 1
};

// Reads the part of TOML 1.0 that options need: comments; bare keys; basic and
// literal strings on one line, integers, floats and booleans; arrays of them,
// also over several lines. INVALID_ARGUMENT "line 3: ..." for everything else
// (tables, dates, nested arrays, duplicate keys).
absl::StatusOr<std::vector<ConfigEntry>> ParseConfig(absl::string_view text);

}  // namespace tandem
