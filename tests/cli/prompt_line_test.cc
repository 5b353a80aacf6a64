#include "cli/prompt_line.h"

#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::IsEmpty;

struct PromptLineCase {
  std::string name, line, text;
  std::vector<std::string> images;
  friend std::ostream& operator<<(std::ostream& os, const PromptLineCase& c) {
    return os << c.line;
  }
};
class PromptLineTest : public testing::TestWithParam<PromptLineCase> {};

TEST_P(PromptLineTest, TakesThePicturesOut) {
  const PromptLine line = ParsePromptLine(
      GetParam().line,
      [](const std::string& path) { return path == "odd.png?"; });
  EXPECT_EQ(line.text, GetParam().text);
  EXPECT_EQ(line.images, GetParam().images);
}
INSTANTIATE_TEST_SUITE_P(
    Lines, PromptLineTest,
    testing::Values(
        PromptLineCase{
            "AtTheStart", "cat.png What is it?", "What is it?", {"cat.png"}},
        PromptLineCase{
            "AtTheEnd", "What is it? cat.png", "What is it?", {"cat.png"}},
        PromptLineCase{"WithinASentence",
                       "How many dots are in /x/dots.JPG?",
                       "How many dots are in dots.JPG?",
                       {"/x/dots.JPG"}},
        PromptLineCase{"TwoWithinASentence",
                       "Compare @a/1.png with @2.png",
                       "Compare 1.png with 2.png",
                       {"a/1.png", "2.png"}},
        PromptLineCase{"TwoAtTheStart",
                       "1.png  2.webp : which?",
                       "which?",
                       {"1.png", "2.webp"}},
        PromptLineCase{"BetweenSentences",
                       "Hi. a.png is red",
                       "Hi. a.png is red",
                       {"a.png"}},
        PromptLineCase{"Alone", " @scan ", "", {"scan"}},
        PromptLineCase{
            "PunctuationBehind", "cat.png, what?", "what?", {"cat.png"}},
        PromptLineCase{
            "NameWithPunctuation", "odd.png? What?", "What?", {"odd.png?"}},
        PromptLineCase{
            "DoubleQuotes", "\"my cat.png\" What?", "What?", {"my cat.png"}},
        PromptLineCase{"AtAndQuotes",
                       "See @'my scan', please",
                       "See my scan, please",
                       {"my scan"}},
        PromptLineCase{"Backslashes",
                       "/a/my\\ cat\\ 2.png What?",
                       "What?",
                       {"/a/my cat 2.png"}},
        PromptLineCase{
            "Home", "@~/cat.png What?", "What?", {"/home/me/cat.png"}},
        PromptLineCase{"EscapedAt", "Ask \\@home", "Ask @home", {}},
        PromptLineCase{
            "EscapedName", "Is \\cat.png, a name?", "Is cat.png, a name?", {}},
        PromptLineCase{
            "OtherBackslash", "\\d+ and C:\\dir", "\\d+ and C:\\dir", {}},
        PromptLineCase{"MailAddress", "mail me@home.de", "mail me@home.de", {}},
        PromptLineCase{"Url",
                       "See http://x.org/cat.png!",
                       "See http://x.org/cat.png!",
                       {}},
        PromptLineCase{"OnlyASuffix", "a .png file", "a .png file", {}},
        PromptLineCase{"LoneAt", "5 @ 3", "5 @ 3", {}},
        PromptLineCase{"Apostrophes", "'tis  what it's", "'tis  what it's", {}},
        PromptLineCase{
            "QuotedWords", "say \"hi there\"", "say \"hi there\"", {}},
        PromptLineCase{"AsTyped", "  two  blanks ", "  two  blanks ", {}}),
    [](const auto& info) { return info.param.name; });

class HomeEnvironment : public testing::Environment {
  void SetUp() override { setenv("HOME", "/home/me", 1); }
};
const auto* const kHome =
    testing::AddGlobalTestEnvironment(new HomeEnvironment);

TEST(BeginsWithPictureTest, TellsAPathFromACommand) {
  EXPECT_TRUE(BeginsWithPicture("/tmp/cat.png What?"));
  EXPECT_TRUE(BeginsWithPicture("/cat.jpeg"));
  EXPECT_FALSE(BeginsWithPicture("/image cat.png"));
  EXPECT_FALSE(BeginsWithPicture("/tmp/cat"));
  EXPECT_FALSE(BeginsWithPicture(""));
}

TEST(UnquotePathTest, TakesQuotesBackslashesAndHome) {
  EXPECT_EQ(UnquotePath(" my cat.png "), "my cat.png");
  EXPECT_EQ(UnquotePath("my\\ cat.png"), "my cat.png");
  EXPECT_EQ(UnquotePath("\"my cat.png\""), "my cat.png");
  EXPECT_EQ(UnquotePath("'it''s'"), "'it''s'");
  EXPECT_EQ(UnquotePath("~/a"), "/home/me/a");
  EXPECT_THAT(UnquotePath(""), IsEmpty());
}

}  // namespace
}  // namespace tandem
