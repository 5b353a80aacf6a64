#include "llm_service/unicode_nfc.h"

#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <random>
#include <string>

#include "common/utf8.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

std::string Nfc(absl::string_view text) {
  std::string storage;
  const auto result = NormalizeNfc(text, storage);
  EXPECT_TRUE(result.ok()) << result.status();
  return std::string(result.value_or(""));
}

TEST(UnicodeNfc, Composes) {
  EXPECT_EQ(Nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(Nfc("a\u0302\u0323"), "\u1EAD");  // sorted first
  EXPECT_EQ(Nfc("\u1100\u1161\u11A8"), "\uAC01");
  EXPECT_EQ(Nfc("\u212B"), "\u00C5");
  EXPECT_EQ(Nfc("\uF900"), "\u8C48");
}

TEST(UnicodeNfc, LeavesNormalTextWhereItIs) {
  for (const char* text :
       {"", "plain", "caf\u00E9", "你好", "\uFB01", "\u0301"}) {
    std::string storage;
    EXPECT_EQ(NormalizeNfc(text, storage)->data(), text) << text;
  }
}

// The tokenizers library takes U+1DF9 (Unicode 10) for a letter of its own.
TEST(UnicodeNfc, DoesNotMoveMarksThatUnicode9DidNotKnow) {
  EXPECT_EQ(Nfc("a\u0345\u1DF9"), "a\u0345\u1DF9");
  EXPECT_EQ(Nfc("e\u1DF9\u0301"), "e\u1DF9\u0301");
  EXPECT_EQ(Nfc("a\u0345\u0316"), "a\u0316\u0345");
}

std::string PlainIcu(const std::string& text) {
  UErrorCode error = U_ZERO_ERROR;
  const auto* nfc = icu::Normalizer2::getNFCInstance(error);
  std::string out;
  nfc->normalize(icu::UnicodeString::fromUTF8(text), error).toUTF8String(out);
  EXPECT_TRUE(U_SUCCESS(error));
  return out;
}

TEST(UnicodeNfc, SortsLongRunsOfMarksAsIcuDoes) {
  const char32_t pieces[] = {'a',    0x301, 0x316,  0x345,  0x334, 0x344,
                             0xF73,  0xF71, 0xF72,  0x327,  0x30A, 0xE9,
                             0x1161, 0x9BE, 0x3099, 0x1100, 0xAC00};
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    const int num_pieces = 1 + static_cast<int>(random() % 400);
    for (int i = 0; i < num_pieces; ++i) {
      // Mostly marks, so that runs get long.
      const bool mark = random() % 64 != 0;
      AppendUtf8(pieces[mark ? 1 + random() % 10 : random() % 17], text);
    }
    ASSERT_EQ(Nfc(text), PlainIcu(text)) << "round " << round;
  }
}

// Sorting by insertion would not come back from this.
TEST(UnicodeNfc, TakesAMegabyteOfMarksInBadOrder) {
  std::string text = "a", want = "a";
  const int num_marks = 1 << 18;
  for (int i = 0; i < num_marks; ++i) text += "\u0345\u0334";
  for (int i = 0; i < num_marks; ++i) want += "\u0334";
  for (int i = 0; i < num_marks; ++i) want += "\u0345";
  EXPECT_TRUE(Nfc(text) == want);
}

}  // namespace
}  // namespace tandem
