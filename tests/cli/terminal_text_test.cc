#include "cli/terminal_text.h"

#include "cli/error_line.h"
#include "common/errors.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

TEST(TerminalTextTest, KeepsTextLineFeedsAndTabs) {
  EXPECT_EQ(TerminalText("a\tb\n\xC3\xA9 \xE4\xBD\xA0"),
            "a\tb\n\xC3\xA9 \xE4\xBD\xA0");
}

TEST(TerminalTextTest, ReplacesControlCharacters) {
  EXPECT_EQ(TerminalText("\x1B[31m"), "\xEF\xBF\xBD[31m");
  EXPECT_EQ(TerminalText("\r\x7F"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(TerminalText("\xC2\x9B[2J"), "\xEF\xBF\xBD[2J");  // CSI in one
  EXPECT_EQ(TerminalText("\xC2\xA0"), "\xC2\xA0");            // a space
}

TEST(OneLineTest, HasNoLineFeeds) { EXPECT_EQ(OneLine("a\nb\tc"), "a b c"); }

TEST(ErrorLineTest, SaysCodeReasonFieldAndBound) {
  EXPECT_EQ(ErrorLine(FieldError("sampling.top_p", "2 is outside (0, 1]")),
            "INVALID_ARGUMENT FIELD_INVALID: sampling.top_p: 2 is outside (0, "
            "1]");
}

TEST(ErrorLineTest, IsTheMessageAloneWhereNoServiceSpoke) {
  EXPECT_EQ(ErrorLine(absl::NotFoundError("x.png:\nno such file")),
            "x.png: no such file");
}

}  // namespace
}  // namespace tandem
