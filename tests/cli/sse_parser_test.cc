#include "cli/sse_parser.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Events = std::vector<std::string>;

// What a parser that gets `pieces` one by one answers.
Events Parse(const std::vector<std::string>& pieces) {
  SseParser parser;
  Events all;
  for (const std::string& piece : pieces) {
    const absl::StatusOr<Events> events = parser.Feed(piece);
    EXPECT_TRUE(events.ok()) << events.status();
    if (events.ok()) all.insert(all.end(), events->begin(), events->end());
  }
  return all;
}

TEST(SseParserTest, GivesTheDataOfEveryEvent) {
  EXPECT_THAT(Parse({"data: {\"a\":1}\n\ndata: [DONE]\n\n"}),
              ElementsAre("{\"a\":1}", "[DONE]"));
}

TEST(SseParserTest, IsTheSameWhereverTheStreamIsCut) {
  const std::string stream =
      "\xEF\xBB\xBF"
      "data: one\r\n\r\n: keep-alive\r\n\r\ndata: tw\xC3\xB6\r\rdata: "
      "a\ndata:b\nid: 7\n\ndata: [DONE]\n\n";
  const Events want = {"one", "tw\xC3\xB6", "a\nb", "[DONE]"};
  EXPECT_EQ(Parse({stream}), want);
  for (size_t i = 0; i <= stream.size(); ++i) {
    for (size_t j = i; j <= stream.size(); ++j) {
      EXPECT_EQ(Parse({stream.substr(0, i), stream.substr(i, j - i),
                       stream.substr(j)}),
                want)
          << i << " " << j;
    }
  }
}

TEST(SseParserTest, TakesTheThreeEndsOfLines) {
  for (const char* end : {"\n", "\r", "\r\n"}) {
    EXPECT_THAT(Parse({absl::StrCat("data: x", end, end, "data: y", end, end)}),
                ElementsAre("x", "y"));
  }
}

TEST(SseParserTest, PassesOverCommentsOtherFieldsAndEventsWithoutData) {
  EXPECT_THAT(Parse({": hello\n\nevent: ping\n\nretry: 10\nid: 3\n\n:\n\n"}),
              IsEmpty());
  EXPECT_THAT(Parse({"event: error\ndata: x\ndatum: y\ndata-: z\n\n"}),
              ElementsAre("x"));
}

TEST(SseParserTest, TakesOneBlankOffAFieldAndNoMore) {
  EXPECT_THAT(Parse({"data:  two\n\ndata:none\n\ndata: a:b\n\n"}),
              ElementsAre(" two", "none", "a:b"));
}

TEST(SseParserTest, EmptyDataIsAnEvent) {
  EXPECT_THAT(Parse({"data\n\ndata:\ndata:\n\n"}), ElementsAre("", "\n"));
}

TEST(SseParserTest, DropsAnEventThatTheStreamEndsIn) {
  SseParser parser;
  EXPECT_FALSE(parser.inside_event());
  EXPECT_THAT(*parser.Feed("data: half\n"), IsEmpty());
  EXPECT_TRUE(parser.inside_event());
  EXPECT_THAT(*parser.Feed("\n"), ElementsAre("half"));
  EXPECT_FALSE(parser.inside_event());
}

TEST(SseParserTest, RefusesAnEventAboveTheBound) {
  const std::string line(SseParser::kMaxEventBytes / 2, 'x');
  SseParser in_one_line;
  EXPECT_TRUE(in_one_line.Feed(line).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      in_one_line.Feed(absl::StrCat(line, "x")).status()));
  SseParser in_many;
  EXPECT_TRUE(in_many.Feed(absl::StrCat("data: ", line, "\n")).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      in_many.Feed(absl::StrCat("data: ", line)).status()));
}

}  // namespace
}  // namespace tandem
