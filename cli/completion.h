#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tandem {

// What the Tab key finds for the word in front of the cursor.
struct Completion {
  // What to type for the person, up to where the candidates differ.
  std::string insert;
  // Words to choose from, sorted; at most kMost.
  std::vector<std::string> candidates;

  static constexpr size_t kMost = 100;
};

// Completes a command at the start of a line, a name behind `/set`, on or off
// behind `/timings`; else a file: behind `@`, behind the commands that take
// one, and any other word with at least one character. A blank in a file's name
// is inserted with a backslash. Looks at folders, at most 10,000 entries of
// one. `line` ends at the cursor.
Completion Complete(absl::string_view line);

}  // namespace tandem
