#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tandem {

// `text` without what could command a terminal: control characters (C0 but line
// feed and tab, DEL, and the C1 set as UTF-8) become U+FFFD. A model's answer
// is not trusted text. Whole characters in, whole characters out.
std::string TerminalText(absl::string_view text);

// The same on one line: line feeds and tabs become spaces.
std::string OneLine(absl::string_view text);

}  // namespace tandem
