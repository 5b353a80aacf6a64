#include "cli/terminal_text.h"

#include <algorithm>

namespace tandem {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// U+0080 to U+009F are C2 80 to C2 9F.
bool IsC1(absl::string_view text, size_t i) {
  return text[i] == '\xC2' && i + 1 < text.size() &&
         static_cast<unsigned char>(text[i + 1]) < 0xA0;
}

bool IsC0(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F;
}

}  // namespace

std::string TerminalText(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (IsC1(text, i)) {
      out.append(kReplacement.data(), kReplacement.size());
      ++i;
    } else if (IsC0(text[i])) {
      out.append(kReplacement.data(), kReplacement.size());
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string OneLine(absl::string_view text) {
  std::string out = TerminalText(text);
  std::replace(out.begin(), out.end(), '\n', ' ');
  std::replace(out.begin(), out.end(), '\t', ' ');
  return out;
}

}  // namespace tandem
