#include "llm_service/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/utf8.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

std::vector<std::string> Pieces(absl::string_view text) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const size_t length = FirstPieceLength(text);
    pieces.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return pieces;
}

struct PiecesCase {
  std::string name, text, want;  // pieces joined by |
  friend std::ostream& operator<<(std::ostream& os, const PiecesCase& c) {
    return os << c.name;
  }
};
class PreTokenizerTest : public testing::TestWithParam<PiecesCase> {};

TEST_P(PreTokenizerTest, CutsText) {
  EXPECT_EQ(absl::StrJoin(Pieces(GetParam().text), "|"), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    Examples, PreTokenizerTest,
    testing::Values(
        PiecesCase{"Words", "Hello world", "Hello| world"},
        PiecesCase{"Contractions", "I'm can't WE'LL they'd",
                   "I|'m| can|'t| WE|'LL| they|'d"},
        PiecesCase{"LongS", "it'ſo", "it|'ſ|o"},
        PiecesCase{"NoContraction", "'tis 'x 'rx", "'t|is| '|x| '|rx"},
        PiecesCase{"SpaceBeforeQuote", " 'tis", " '|tis"},
        PiecesCase{"LeadingSpaces", "  leading two spaces",
                   " | leading| two| spaces"},
        PiecesCase{"LineFeeds", "a\n\n  b", "a|\n\n| | b"},
        PiecesCase{"Tab", "tab\tx", "tab|\tx"},
        PiecesCase{"SpaceUpToLineFeed", "x  \n\n y", "x|  \n\n| y"},
        PiecesCase{"Digits", "price: $1,234.50!",
                   "price|:| $|1|,|2|3|4|.|5|0|!"},
        PiecesCase{"Code", "foo_bar(baz)->qux;\n\nnext",
                   "foo|_bar|(baz|)->|qux|;\n\n|next"},
        PiecesCase{"TrailingSpaces", "end   ", "end|   "},
        PiecesCase{"Dots", "...\r\n\r\nZ", "...\r\n\r\n|Z"},
        PiecesCase{"Frame", "Frame1: ", "Frame|1|:| "},
        PiecesCase{"Chinese", "system\n你是书生·万象，英文名是InternVL，",
                   "system|\n|你是书生|·万象|，英文名是InternVL|，"},
        PiecesCase{"ThaiMark", "ก็", "ก|็"},
        PiecesCase{"WideSpaces", "x\u3000\u3000y", "x|\u3000|\u3000y"},
        PiecesCase{"NextLineIsSpace", "a\u0085\u0085b", "a|\u0085|\u0085b"},
        PiecesCase{"LettersOfUnicode16", "\U0002EBF0a\u1C89",
                   "\U0002EBF0a\u1C89"},
        PiecesCase{"NumbersOfUnicode16", "\U00010D40\U00010D41",
                   "\U00010D40|\U00010D41"},
        PiecesCase{"Unassigned", "\U000E0FFFa", "\U000E0FFFa"}),
    [](const auto& info) { return info.param.name; });

// Runs the pattern itself.
class Oracle {
 public:
  Oracle() {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(kQwen2Pattern.data()),
                          kQwen2Pattern.size(), PCRE2_UTF | PCRE2_UCP, &error,
                          &offset, nullptr);
    match_ = pcre2_match_data_create_from_pattern(code_, nullptr);
  }
  ~Oracle() {
    pcre2_match_data_free(match_);
    pcre2_code_free(code_);
  }

  std::vector<std::string> Pieces(const std::string& text) const {
    std::vector<std::string> pieces;
    size_t from = 0;
    while (from < text.size()) {
      const int found =
          pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()),
                      text.size(), from, PCRE2_ANCHORED, match_, nullptr);
      if (found < 1) break;
      const size_t end = pcre2_get_ovector_pointer(match_)[1];
      pieces.push_back(text.substr(from, end - from));
      from = end;
    }
    return pieces;
  }

 private:
  pcre2_code* code_;
  pcre2_match_data* match_;
};

TEST(PreTokenizer, CutsRandomTextAsThePatternDoes) {
  const Oracle oracle;
  const std::vector<std::string> parts = {
      "a",      "Z",      "é",      "你",   "ſ",
      "ǅ",      "1",      "²",      "Ⅷ",    "٣",
      " ",      " ",      "\t",     "\n",   "\r",
      "\u00A0", "\u3000", "\u0085", "\x0B", "\u2028",
      "'",      "'",      "'s",     "'S",   "'l",
      "L",      "re",     "Ve",     "d",    "m",
      "!",      "_",      "。",     "😀",   "\u0301",
      "็",       "\u200D", "<",      "|",    std::string(1, '\0')};
  std::mt19937 random(2);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    const int num_parts = static_cast<int>(random() % 14);
    for (int i = 0; i < num_parts; ++i) text += parts[random() % parts.size()];
    ASSERT_EQ(Pieces(text), oracle.Pieces(text)) << "round " << round;
  }
}

}  // namespace
}  // namespace tandem
