#include "common/trace_context.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpanId[] = "00f067aa0ba902b7";
const std::string kParent = absl::StrCat("00-", kTraceId, "-", kSpanId, "-01");

TEST(TraceContext, ReadsATraceParent) {
  const auto span = ParseTraceParent(kParent);
  ASSERT_TRUE(span.has_value());
  EXPECT_EQ(span->trace_id, kTraceId);
  EXPECT_EQ(span->span_id, kSpanId);
  EXPECT_EQ(span->flags, 1);
  EXPECT_EQ(FormatTraceParent(*span), kParent);
}

TEST(TraceContext, ClearsFlagsThatItDoesNotKnow) {
  const auto span =
      ParseTraceParent(absl::StrCat("00-", kTraceId, "-", kSpanId, "-ff"));
  ASSERT_TRUE(span.has_value());
  EXPECT_EQ(span->flags, 3);
}

TEST(TraceContext, ReadsWhatItKnowsOfALaterVersion) {
  const std::string later = absl::StrCat("cc-", kTraceId, "-", kSpanId, "-01");
  EXPECT_TRUE(ParseTraceParent(later).has_value());
  const auto more = ParseTraceParent(later + "-what-comes-then");
  ASSERT_TRUE(more.has_value());
  EXPECT_EQ(FormatTraceParent(*more), kParent);
  EXPECT_FALSE(ParseTraceParent(later + ".x").has_value());
}

TEST(TraceContext, IgnoresWhatIsNoTraceParent) {
  const std::string zeros(32, '0');
  for (const std::string& wrong :
       {std::string(), std::string("x"), kParent.substr(0, 54), kParent + "-",
        kParent + "0", std::string(55, '-'),
        absl::StrCat("ff-", kTraceId, "-", kSpanId, "-01"),
        absl::StrCat("0G-", kTraceId, "-", kSpanId, "-01"),
        absl::StrCat("00-", zeros, "-", kSpanId, "-01"),
        absl::StrCat("00-", kTraceId, "-", zeros.substr(16), "-01"),
        absl::StrCat("00-", "4BF92F3577B34DA6A3CE929D0E0E4736-", kSpanId,
                     "-01"),
        absl::StrCat("00-", kTraceId, "-", kSpanId, "-0x"),
        absl::StrCat("00_", kTraceId, "-", kSpanId, "-01"),
        absl::StrCat("00-", kTraceId, "_", kSpanId, "-01"),
        absl::StrCat("00-", kTraceId, "-", kSpanId, "_01")}) {
    EXPECT_FALSE(ParseTraceParent(wrong).has_value()) << wrong;
  }
}

TEST(TraceContext, ASpanIsAChildOfItsCallers) {
  const TraceContext span = StartSpan(kParent, "vendor=1,other=x");
  EXPECT_EQ(span.trace_id, kTraceId);
  EXPECT_NE(span.span_id, kSpanId);
  EXPECT_EQ(span.flags, 1);
  EXPECT_EQ(span.state, "vendor=1,other=x");
  EXPECT_TRUE(ParseTraceParent(FormatTraceParent(span)).has_value());
  EXPECT_NE(StartSpan(kParent, "").span_id, span.span_id);
}

TEST(TraceContext, WithoutAValidParentANewTraceBegins) {
  const TraceContext first = StartSpan("", "");
  const TraceContext second = StartSpan("not one", "vendor=1");
  EXPECT_TRUE(ParseTraceParent(FormatTraceParent(first)).has_value());
  EXPECT_TRUE(ParseTraceParent(FormatTraceParent(second)).has_value());
  EXPECT_NE(first.trace_id, second.trace_id);
  EXPECT_EQ(second.flags, 0);
  EXPECT_EQ(second.state, "");
}

TEST(TraceContext, DropsAStateThatIsNone) {
  std::vector<std::string> members(33, "a=1");
  EXPECT_EQ(StartSpan(kParent, absl::StrJoin(members, ",")).state, "");
  members.pop_back();
  EXPECT_EQ(StartSpan(kParent, absl::StrJoin(members, ",")).state,
            absl::StrJoin(members, ","));
  for (const std::string& wrong :
       {std::string("novalue"), std::string("=1"), std::string("a=\n1"),
        std::string("a=\xC3\xA4"), "a=" + std::string(511, 'x')}) {
    const TraceContext span = StartSpan(kParent, wrong);
    EXPECT_EQ(span.state, "") << wrong;
    EXPECT_EQ(span.trace_id, kTraceId);
  }
}

}  // namespace
}  // namespace tandem
