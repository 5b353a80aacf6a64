#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tandem {

enum class Utf8Kind {
  kCharacter,   // a whole, valid character
  kInvalid,     // bytes that can never become one
  kIncomplete,  // the text ends inside what may still become one
};

// What stands at the start of a text.
struct Utf8Unit {
  Utf8Kind kind = Utf8Kind::kInvalid;
  // Bytes of it, in [1, 4]. For the two kinds of broken bytes: the longest run
  // that begins a valid character, or one byte; what one U+FFFD stands for.
  int length = 0;
  char32_t character = 0;  // where kind is kCharacter
};

// Reads the first unit of `text`, which must not be empty. Overlong forms,
// surrogates and what lies above U+10FFFF are invalid. Thread-safe.
// Source: Unicode 15.0, table 3-7, and "U+FFFD substitution of maximal
// subparts" in section 3.9.
Utf8Unit ReadUtf8(absl::string_view text);

// The same for text that is known to be valid, which is not checked; `length`
// gets the bytes.
char32_t ReadValidUtf8(const char* text, int* length);

// INVALID_ARGUMENT with the byte offset where `text` stops being UTF-8.
// NUL is a character like any other.
absl::Status CheckUtf8(absl::string_view text);

// Appends `character`, no surrogate and at most U+10FFFF.
void AppendUtf8(char32_t character, std::string& text);

// U+FFFD, what stands for broken bytes.
inline constexpr absl::string_view kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace tandem
