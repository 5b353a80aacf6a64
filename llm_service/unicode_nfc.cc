#include "llm_service/unicode_nfc.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/utf8.h"

namespace tandem {
namespace {

// Marks after one character that ICU's own sorting still handles fast.
constexpr size_t kLongRun = 64;

// ICU's normalization of the characters of Unicode 9; later ones stay as they
// are and combine with nothing.
struct Forms {
  Forms() : known(UNICODE_STRING_SIMPLE("[:Age=9.0:]"), error) {
    known.freeze();
    const icu::Normalizer2* const all_nfc =
        icu::Normalizer2::getNFCInstance(error);
    const icu::Normalizer2* const all_nfd =
        icu::Normalizer2::getNFDInstance(error);
    if (U_FAILURE(error)) return;
    nfc = std::make_unique<icu::FilteredNormalizer2>(*all_nfc, known);
    nfd = std::make_unique<icu::FilteredNormalizer2>(*all_nfd, known);
  }

  UErrorCode error = U_ZERO_ERROR;
  icu::UnicodeSet known;
  std::unique_ptr<icu::FilteredNormalizer2> nfc, nfd;
};

// Characters below U+0300 are normalized and combine with nothing before them;
// U+0300 is CC 80.
bool MayChange(absl::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) >= 0xCC; });
}

struct Mark {
  uint8_t combining_class;
  char32_t character;
};

// Whether sorting may move `character` before the one in front of it.
bool IsMark(const icu::Normalizer2& nfd, char32_t character) {
  return character >= 0x300 &&
         !nfd.hasBoundaryBefore(static_cast<UChar32>(character));
}

bool HasLongRun(const icu::Normalizer2& nfd, absl::string_view text) {
  size_t run = 0;
  for (size_t i = 0; i < text.size() && run <= kLongRun;) {
    int length = 0;
    const char32_t character = ReadValidUtf8(text.data() + i, &length);
    run = IsMark(nfd, character) ? run + 1 : 0;
    i += length;
  }
  return run > kLongRun;
}

void AppendDecomposition(const icu::Normalizer2& nfd, char32_t character,
                         std::vector<Mark>& marks) {
  icu::UnicodeString parts;
  const auto code_point = static_cast<UChar32>(character);
  if (!nfd.getDecomposition(code_point, parts)) parts.setTo(code_point);
  for (int i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) {
    const UChar32 part = parts.char32At(i);
    marks.push_back({nfd.getCombiningClass(part), static_cast<char32_t>(part)});
  }
}

void AppendSorted(std::vector<Mark>& marks, std::string& out) {
  std::stable_sort(marks.begin(), marks.end(),
                   [](const Mark& a, const Mark& b) {
                     return a.combining_class < b.combining_class;
                   });
  for (const Mark& mark : marks) AppendUtf8(mark.character, out);
  marks.clear();
}

// The same text with the marks after each character in canonical order. ICU
// sorts them by insertion: a megabyte of them in bad order would take minutes.
std::string SortMarks(const icu::Normalizer2& nfd, absl::string_view text) {
  std::string out;
  std::vector<Mark> marks;
  for (size_t i = 0; i < text.size();) {
    int length = 0;
    const char32_t character = ReadValidUtf8(text.data() + i, &length);
    if (IsMark(nfd, character)) {
      AppendDecomposition(nfd, character, marks);
    } else {
      AppendSorted(marks, out);
      absl::StrAppend(&out, text.substr(i, length));
    }
    i += length;
  }
  AppendSorted(marks, out);
  return out;
}

absl::Status IcuError(UErrorCode error) {
  return absl::InternalError(
      absl::StrCat("ICU cannot normalize text: ", u_errorName(error)));
}

icu::StringPiece ToPiece(absl::string_view text) {
  return {text.data(), static_cast<int32_t>(text.size())};
}

}  // namespace

absl::StatusOr<absl::string_view> NormalizeNfc(absl::string_view text,
                                               std::string& storage) {
  if (!MayChange(text)) return text;
  static const Forms* const kForms = new Forms;
  if (U_FAILURE(kForms->error)) return IcuError(kForms->error);
  const icu::Normalizer2& nfc = *kForms->nfc;
  const icu::Normalizer2& nfd = *kForms->nfd;

  std::string sorted;
  if (HasLongRun(nfd, text)) sorted = SortMarks(nfd, text);
  UErrorCode error = U_ZERO_ERROR;
  if (sorted.empty() && nfc.isNormalizedUTF8(ToPiece(text), error)) return text;
  const absl::string_view source = sorted.empty() ? text : sorted;
  storage.clear();
  icu::StringByteSink<std::string> sink(&storage);
  nfc.normalizeUTF8(0, ToPiece(source), sink, nullptr, error);
  if (U_FAILURE(error)) return IcuError(error);
  return absl::string_view(storage);
}

}  // namespace tandem
