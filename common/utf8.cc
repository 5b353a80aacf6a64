#include "common/utf8.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace tandem {
namespace {

// How a lead byte goes on: the bytes of its character and what the second byte
// may be; later ones are 80..BF. Length 0: no character begins so.
struct Lead {
  int length;
  uint8_t second_min, second_max;
};

Lead LeadOf(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};  // below: overlong
  if (byte == 0xED) return {3, 0x80, 0x9F};  // above: surrogates
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};  // below: overlong
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};  // above: beyond U+10FFFF
  return {0, 0, 0};
}

}  // namespace

Utf8Unit ReadUtf8(absl::string_view text) {
  const Lead lead = LeadOf(static_cast<uint8_t>(text[0]));
  if (lead.length == 0) return {Utf8Kind::kInvalid, 1};
  const int available =
      static_cast<int>(std::min(text.size(), static_cast<size_t>(lead.length)));
  for (int i = 1; i < available; ++i) {
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    const uint8_t low = i == 1 ? lead.second_min : 0x80;
    const uint8_t high = i == 1 ? lead.second_max : 0xBF;
    if (byte < low || byte > high) return {Utf8Kind::kInvalid, i};
  }
  if (available < lead.length) return {Utf8Kind::kIncomplete, available};
  int length = 0;
  const char32_t character = ReadValidUtf8(text.data(), &length);
  return {Utf8Kind::kCharacter, length, character};
}

char32_t ReadValidUtf8(const char* text, int* length) {
  const auto bits = [text](int i, int mask) {
    return static_cast<char32_t>(static_cast<uint8_t>(text[i]) & mask);
  };
  const uint8_t lead = static_cast<uint8_t>(text[0]);
  *length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  switch (*length) {
    case 1:
      return lead;
    case 2:
      return bits(0, 0x1F) << 6 | bits(1, 0x3F);
    case 3:
      return bits(0, 0x0F) << 12 | bits(1, 0x3F) << 6 | bits(2, 0x3F);
    default:
      return bits(0, 0x07) << 18 | bits(1, 0x3F) << 12 | bits(2, 0x3F) << 6 |
             bits(3, 0x3F);
  }
}

absl::Status CheckUtf8(absl::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    if (static_cast<uint8_t>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const Utf8Unit unit = ReadUtf8(text.substr(i));
    if (unit.kind != Utf8Kind::kCharacter) {
      return absl::InvalidArgumentError(
          absl::StrCat("text is not UTF-8 at byte ", i));
    }
    i += unit.length;
  }
  return absl::OkStatus();
}

void AppendUtf8(char32_t character, std::string& text) {
  const auto tail = [&text, character](int shift) {
    text.push_back(static_cast<char>(0x80 | ((character >> shift) & 0x3F)));
  };
  if (character < 0x80) {
    text.push_back(static_cast<char>(character));
  } else if (character < 0x800) {
    text.push_back(static_cast<char>(0xC0 | character >> 6));
    tail(0);
  } else if (character < 0x10000) {
    text.push_back(static_cast<char>(0xE0 | character >> 12));
    tail(6);
    tail(0);
  } else {
    text.push_back(static_cast<char>(0xF0 | character >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace tandem
