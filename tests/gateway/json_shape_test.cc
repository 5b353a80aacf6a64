#include "gateway/json_shape.h"

#include <string>
#include <vector>

#include "common/errors.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

std::string Nested(int depth) {
  std::string text = "{\"a\":";
  text.append(depth - 1, '[');
  text.append(depth - 1, ']');
  return text + "}";
}

TEST(JsonShape, TakesObjectsWithAnyWhiteSpaceAround) {
  for (const char* text :
       {"{}", " \t\r\n{ } \n", R"({"a":"}]{[","b":[{},"\\",{"c":"\""}]})"}) {
    EXPECT_TRUE(CheckJsonShape(text).ok()) << text;
  }
}

TEST(JsonShape, BoundsTheDepthAndNothingWithinStrings) {
  EXPECT_TRUE(CheckJsonShape(Nested(32)).ok());
  const absl::Status deep = CheckJsonShape(Nested(33));
  EXPECT_EQ(ErrorReason(deep), reason::kFieldInvalid);
  EXPECT_NE(deep.message().find("33 deep; at most 32"),
            absl::string_view::npos);
  EXPECT_TRUE(
      CheckJsonShape("{\"a\":\"" + std::string(1000, '[') + "\"}").ok());
  // As deep as a body may be long.
  EXPECT_FALSE(CheckJsonShape("{\"a\":" + std::string(32 << 20, '[')).ok());
}

TEST(JsonShape, BoundsTheNumberOfValues) {
  JsonBounds bounds;
  bounds.max_tokens = 9;
  EXPECT_TRUE(CheckJsonShape(R"({"a":[1,2]})", bounds).ok());
  EXPECT_FALSE(CheckJsonShape(R"({"a":[1,2,]})", bounds).ok());
  EXPECT_FALSE(CheckJsonShape(R"({"a":[1,2 3]})", bounds).ok());
}

TEST(JsonShape, NamesTheByteWhereTheShapeBreaks) {
  struct Case {
    std::string text, word;
  };
  const std::vector<Case> cases = {
      {"", "empty"},
      {" \n", "empty"},
      {"\xEF\xBB\xBF{}", "byte order mark"},
      {"[]", "0x5B at 0"},
      {"\"text\"", "0x22 at 0"},
      {"{", "within 1 open"},
      {"{\"a\":[", "within 2 open"},
      {"{\"a\":[}", "0x7D at 6"},
      {"{]", "0x5D at 1"},
      {"{}}", "0x7D at 2"},
      {"{} {}", "0x7B at 3"},
      {"{}x", "0x78 at 2"},
      {std::string("{}\0", 3), "0x00 at 2"},
      {"{\"a", "string at byte 1 does not end"},
      {"{\"a\\\"}", "string at byte 1 does not end"},
      {"{\"a\\\\\"", "within 1 open"},
      {"{\\\"a\":1}", "0x5C at 1"},
      {"{\"a\":1\\\"}", "0x5C at 6"},
  };
  for (const Case& c : cases) {
    const absl::Status status = CheckJsonShape(c.text);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
    EXPECT_EQ(ErrorField(status), "");
    EXPECT_NE(status.message().find(c.word), absl::string_view::npos)
        << c.text << ": " << status;
  }
}

}  // namespace
}  // namespace tandem
