#include "common/utf8.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

struct BrokenCase {
  std::string name, bytes;
  Utf8Kind kind;
  int length;
  friend std::ostream& operator<<(std::ostream& os, const BrokenCase& c) {
    return os << c.name;
  }
};
class BrokenUtf8 : public testing::TestWithParam<BrokenCase> {};

TEST_P(BrokenUtf8, MeasuresTheMaximalPart) {
  const BrokenCase& c = GetParam();
  const Utf8Unit unit = ReadUtf8(c.bytes);
  EXPECT_EQ(unit.kind, c.kind);
  EXPECT_EQ(unit.length, c.length);
}

constexpr Utf8Kind kBad = Utf8Kind::kInvalid;
constexpr Utf8Kind kOpen = Utf8Kind::kIncomplete;

INSTANTIATE_TEST_SUITE_P(
    Bytes, BrokenUtf8,
    testing::Values(BrokenCase{"LoneContinuation", "\x80", kBad, 1},
                    BrokenCase{"Overlong2", "\xC1\xBF", kBad, 1},
                    BrokenCase{"Overlong3", "\xE0\x9F\xBF", kBad, 1},
                    BrokenCase{"Overlong4", "\xF0\x8F\xBF\xBF", kBad, 1},
                    BrokenCase{"Surrogate", "\xED\xA0\x80", kBad, 1},
                    BrokenCase{"Above10FFFF", "\xF4\x90\x80\x80", kBad, 1},
                    BrokenCase{"LeadF5", "\xF5\x80\x80\x80", kBad, 1},
                    BrokenCase{"CutByAscii", "\xE4\xBD ", kBad, 2},
                    BrokenCase{"CutByLead", "\xF0\x9F\x98\xC3", kBad, 3},
                    BrokenCase{"Open2", "\xC3", kOpen, 1},
                    BrokenCase{"Open3", "\xE4\xBD", kOpen, 2},
                    BrokenCase{"Open4", "\xF0\x9F\x98", kOpen, 3}),
    [](const auto& info) { return info.param.name; });

TEST(Utf8, ReadsWhatItWrites) {
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 97) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    AppendUtf8(c, text);
    const Utf8Unit unit = ReadUtf8(text);
    ASSERT_EQ(unit.kind, Utf8Kind::kCharacter) << static_cast<uint32_t>(c);
    ASSERT_EQ(unit.length, static_cast<int>(text.size()))
        << static_cast<uint32_t>(c);
    ASSERT_TRUE(unit.character == c);
  }
}

TEST(Utf8, NamesTheOffsetOfTheFirstBrokenByte) {
  EXPECT_EQ(CheckUtf8("caf\xC3\xA9 \xFF").message(),
            "text is not UTF-8 at byte 6");
  EXPECT_EQ(CheckUtf8("ab\xE4\xBD").code(), absl::StatusCode::kInvalidArgument);
}

TEST(Utf8, TakesNulForACharacter) {
  EXPECT_TRUE(CheckUtf8(absl::string_view("a\0b", 3)).ok());
  EXPECT_TRUE(CheckUtf8("").ok());
}

}  // namespace
}  // namespace tandem
