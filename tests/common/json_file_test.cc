#include "common/json_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/common/test_files.h"

namespace tandem {
namespace {

using testing::HasSubstr;

TEST(JsonFileTest, MissingFileIsNotFound) {
  const TempDirectory directory;
  const auto result = ReadJsonFile(directory.path() + "/none.json", 100);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("none.json"));
}

struct BadJson {
  std::string name, text, problem;
  friend std::ostream& operator<<(std::ostream& os, const BadJson& c) {
    return os << c.name;
  }
};
class BadJsonTest : public testing::TestWithParam<BadJson> {};

TEST_P(BadJsonTest, IsRefusedByName) {
  const TempDirectory directory;
  const std::string path = directory.Write("a.json", GetParam().text);
  const auto result = ReadJsonFile(path, /*max_bytes=*/1000);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()),
              testing::AllOf(HasSubstr(path), HasSubstr(GetParam().problem)));
}
INSTANTIATE_TEST_SUITE_P(
    Texts, BadJsonTest,
    testing::Values(
        BadJson{"Empty", "", "JSON object"},
        BadJson{"List", "[1]", "JSON object"},
        BadJson{"Cut", "{\"a\": 1", "JSON object"},
        BadJson{"Tail", "{} x", "JSON object"},
        BadJson{"Line", "{\n\"a\": 1,\n]", "line 3: is not one JSON object"},
        BadJson{"HugeNumber", "{\"a\": 1e999}", "JSON object"},
        BadJson{"BadUtf8", "{\"a\": \"\xff\"}", "JSON object"},
        BadJson{"TooLong", "{\"a\": \"" + std::string(1000, 'a') + "\"}",
                "1000"},
        BadJson{"TwiceAKey", R"({"b": {"a": 1, "a": 1}})", "\"a\" twice"},
        BadJson{"Deep",
                "{\"a\":" + std::string(400, '[') + std::string(400, ']') + "}",
                "nested"}),
    [](const auto& info) { return info.param.name; });

TEST(JsonFileTest, FolderIsNoFile) {
  const TempDirectory directory;
  EXPECT_EQ(ReadJsonFile(directory.path(), 10).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(JsonObjectTest, MissingAndNullKeepTheDefault) {
  const auto json = nlohmann::json::parse(R"({"a": null})");
  const JsonObject object(json, "f", "");
  int value = 5;
  EXPECT_TRUE(object.ReadInt("a", 0, 9, value).ok());
  EXPECT_TRUE(object.ReadInt("b", 0, 9, value).ok());
  EXPECT_EQ(value, 5);
}

TEST(JsonObjectTest, MessagesNameFileAndPath) {
  const auto json = nlohmann::json::parse(
      R"({"in": {"big": 18446744073709551615, "low": -1, "half": 0.5,
          "text": "x", "list": [1, null], "odd": [1, "a"]}})");
  const auto object = JsonObject(json, "f.json", "").Object("in");
  ASSERT_TRUE(object.ok());
  int number = 0;
  double real = 0;
  bool flag = false;
  std::string text;
  std::vector<int> list;
  EXPECT_EQ(object->ReadInt("low", 0, 9, number).message(),
            "f.json: in.low is -1, outside [0, 9]");
  EXPECT_EQ(object->ReadInt("big", 0, 9, number).message(),
            "f.json: in.big is not an integer");
  EXPECT_EQ(object->ReadInt("half", 0, 9, number).message(),
            "f.json: in.half is not an integer");
  EXPECT_EQ(object->ReadNumber("low", 0, 1, real).message(),
            "f.json: in.low is -1, outside [0, 1]");
  EXPECT_EQ(object->ReadNumber("text", 0, 1, real).message(),
            "f.json: in.text is not a number");
  EXPECT_EQ(object->ReadBool("text", flag).message(),
            "f.json: in.text is not true or false");
  EXPECT_EQ(object->ReadString("low", text).message(),
            "f.json: in.low is not a string");
  EXPECT_EQ(object->ReadInts("list", 0, 9, list).message(),
            "f.json: in.list holds null");
  EXPECT_EQ(object->ReadInts("odd", 0, 9, list).message(),
            "f.json: in.odd is not an integer");
  EXPECT_EQ(object->Object("text").status().message(),
            "f.json: in.text is not an object");
}

TEST(JsonObjectTest, OneIntegerIsAListOfOne) {
  const auto json = nlohmann::json::parse(R"({"a": 3, "b": [4, 5]})");
  const JsonObject object(json, "f", "");
  std::vector<int> list;
  EXPECT_TRUE(object.ReadInts("a", 0, 9, list).ok());
  EXPECT_TRUE(object.ReadInts("b", 0, 9, list).ok());
  EXPECT_THAT(list, testing::ElementsAre(3, 4, 5));
}

}  // namespace
}  // namespace tandem
