#include "llm_service/pre_tokenizer.h"

#include <unicode/uchar.h>

#include <cstdint>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/types/span.h"
#include "common/utf8.h"

namespace tandem {
namespace {

enum class Class { kLetter, kNumber, kNewline, kSpace, kOther, kEnd };

// Letters and numbers that Unicode 15.1 and 16 brought: ICU may be older.
constexpr std::pair<char32_t, char32_t> kNewLetters[] = {
    {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},
    {0x105C0, 0x105F3}, {0x10D4A, 0x10D65}, {0x10D6F, 0x10D85},
    {0x10EC2, 0x10EC4}, {0x11380, 0x11389}, {0x1138B, 0x1138B},
    {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113B7},
    {0x113D1, 0x113D1}, {0x113D3, 0x113D3}, {0x11BC0, 0x11BE0},
    {0x13460, 0x143FA}, {0x16100, 0x1611D}, {0x16D40, 0x16D6C},
    {0x18CFF, 0x18CFF}, {0x1E5D0, 0x1E5ED}, {0x1E5F0, 0x1E5F0},
    {0x2EBF0, 0x2EE5D}};
constexpr std::pair<char32_t, char32_t> kNewNumbers[] = {
    {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9},
    {0x16130, 0x16139}, {0x16D70, 0x16D79}, {0x1CCF0, 0x1CCF9},
    {0x1E5F1, 0x1E5FA}};

bool IsIn(absl::Span<const std::pair<char32_t, char32_t>> ranges,
          char32_t character) {
  return absl::c_any_of(ranges, [character](const auto& range) {
    return character >= range.first && character <= range.second;
  });
}

Class ClassOfUnassigned(char32_t character) {
  if (IsIn(kNewLetters, character)) return Class::kLetter;
  return IsIn(kNewNumbers, character) ? Class::kNumber : Class::kOther;
}

Class ClassOf(char32_t character) {
  if (character == '\r' || character == '\n') return Class::kNewline;
  const auto code_point = static_cast<UChar32>(character);
  const uint32_t category = U_GET_GC_MASK(code_point);
  if (category & U_GC_L_MASK) return Class::kLetter;
  if (category & U_GC_N_MASK) return Class::kNumber;
  if (category & U_GC_CN_MASK) return ClassOfUnassigned(character);
  return u_isUWhiteSpace(code_point) ? Class::kSpace : Class::kOther;
}

// A place in the text with the character there already read.
class Cursor {
 public:
  Cursor(absl::string_view text, size_t position)
      : text_(text), position_(position) {
    Read();
  }
  size_t position() const { return position_; }
  char32_t character() const { return character_; }
  Class type() const { return type_; }
  bool at_space() const {
    return type_ == Class::kSpace || type_ == Class::kNewline;
  }
  Cursor next() const { return Cursor(text_, position_ + length_); }

  // Passes all characters of type `type`.
  void SkipAll(Class type) {
    while (type_ == type) Step();
  }
  void Step() {
    position_ += length_;
    Read();
  }

 private:
  void Read() {
    if (position_ == text_.size()) {
      type_ = Class::kEnd;
      character_ = 0;
      length_ = 0;
      return;
    }
    character_ = ReadValidUtf8(text_.data() + position_, &length_);
    type_ = ClassOf(character_);
  }

  absl::string_view text_;
  size_t position_;
  int length_ = 0;
  char32_t character_ = 0;
  Class type_ = Class::kEnd;
};

char32_t Fold(char32_t c) {
  if (c == 0x17F) return 's';  // long s
  return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d): where it ends, or 0.
size_t ContractionEnd(const Cursor& start) {
  if (start.character() != '\'') return 0;
  const Cursor first = start.next();
  switch (Fold(first.character())) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return first.next().position();
    case 'r':
    case 'v':
    case 'l': {
      const Cursor second = first.next();
      const char32_t want = Fold(first.character()) == 'l' ? 'l' : 'e';
      return Fold(second.character()) == want ? second.next().position() : 0;
    }
    default:
      return 0;
  }
}

// [^\r\n\p{L}\p{N}]?\p{L}+
size_t WordEnd(Cursor at) {
  if (at.type() == Class::kSpace || at.type() == Class::kOther) at.Step();
  if (at.type() != Class::kLetter) return 0;
  at.SkipAll(Class::kLetter);
  return at.position();
}

//  ?[^\s\p{L}\p{N}]+[\r\n]*
size_t PunctuationEnd(Cursor at) {
  if (at.character() == ' ') at.Step();
  if (at.type() != Class::kOther) return 0;
  at.SkipAll(Class::kOther);
  at.SkipAll(Class::kNewline);
  return at.position();
}

// \s*[\r\n]+|\s+(?!\S)|\s+ on text that begins with white space: up to the last
// line end of the run, else all but the character that belongs to what follows.
size_t SpaceEnd(Cursor at) {
  size_t newline_end = 0, last = 0;
  while (at.at_space()) {
    const bool newline = at.type() == Class::kNewline;
    last = at.position();
    at.Step();
    if (newline) newline_end = at.position();
  }
  if (newline_end > 0) return newline_end;
  const bool alone = last == 0;
  return at.type() == Class::kEnd || alone ? at.position() : last;
}

}  // namespace

size_t FirstPieceLength(absl::string_view text) {
  const Cursor start(text, 0);
  if (const size_t end = ContractionEnd(start)) return end;
  if (const size_t end = WordEnd(start)) return end;
  if (start.type() == Class::kNumber) return start.next().position();
  if (const size_t end = PunctuationEnd(start)) return end;
  return SpaceEnd(start);
}

}  // namespace tandem
