#include "cli/conversation_file.h"

#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "cli/conversation.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;
using testing::SizeIs;

std::string PictureBytes() {
  std::ifstream file(TANDEM_TEST_DATA "/images/png_rgb_5x3.png",
                     std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

v1::ChatRequest Spoken() {
  Conversation conversation(
      {.model = "tiny", .system = "Be short.", .max_tiles = 13});
  conversation.AddImage(PictureBytes(), "x.png");
  conversation.Ask("What is \"it\"?\n");
  conversation.Answered("A dot.");
  return conversation.request();
}

TEST(ConversationFileTest, HasTheShapeOfAnOpenAiRequest) {
  const auto json = nlohmann::json::parse(ConversationFile(Spoken()));
  EXPECT_EQ(json["model"], "tiny");
  ASSERT_THAT(json["messages"], SizeIs(3));
  EXPECT_EQ(json["messages"][0]["role"], "system");
  EXPECT_EQ(json["messages"][0]["content"], "Be short.");
  const auto& parts = json["messages"][1]["content"];
  ASSERT_THAT(parts, SizeIs(2));
  EXPECT_EQ(parts[0]["type"], "image_url");
  EXPECT_THAT(parts[0]["image_url"]["url"].get<std::string>(),
              testing::StartsWith("data:image/png;base64,iVBORw0KGgo"));
  EXPECT_EQ(parts[0]["image_url"]["max_tiles"], 13);
  EXPECT_EQ(parts[0]["image_url"]["detail"], "high");
  EXPECT_EQ(parts[1]["type"], "text");
  EXPECT_EQ(json["messages"][2]["content"], "A dot.");
}

TEST(ConversationFileTest, ComesBackAsItWas) {
  const v1::ChatRequest request = Spoken();
  const auto messages = ReadConversationFile(ConversationFile(request));
  ASSERT_TRUE(messages.ok()) << messages.status();
  ASSERT_THAT(*messages, SizeIs(request.messages_size()));
  for (int i = 0; i < request.messages_size(); ++i) {
    EXPECT_TRUE(MessageDifferencer::Equals((*messages)[i], request.messages(i)))
        << i;
  }
}

TEST(ConversationFileTest, AQuestionWithoutAnAnswerIsDropped) {
  const auto messages =
      ReadConversationFile(R"({"messages":[{"role":"user","content":"Hi"}]})");
  ASSERT_TRUE(messages.ok()) << messages.status();
  EXPECT_THAT(*messages, SizeIs(0));
}

TEST(ConversationFileTest, SaysWhereAFileIsWrong) {
  const struct {
    const char *text, *where;
  } kCases[] = {
      {"", "messages"},
      {"[]", "messages"},
      {R"({"messages":{}})", "messages"},
      {R"({"messages":[7]})", "messages[0].role"},
      {R"({"messages":[{"role":"user"}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":[]}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":[{"type":"audio"}]}]})",
       "messages[0].content[0].type"},
      {R"({"messages":[{"role":"user","content":[{"type":"text"}]}]})",
       "messages[0].content[0].text"},
      {R"({"messages":[{"role":"assistant","content":"Hi"}]})",
       "messages[0].role"},
      {R"({"messages":[{"role":"user","content":"a"},)"
       R"({"role":"user","content":"b"}]})",
       "messages[1].role"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})",
       "messages[0].content[0]"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url",)"
       R"("image_url":{"url":"http://x.org/a.png"}}]}]})",
       "messages[0].content[0].image_url.url"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url",)"
       R"("image_url":{"url":"data:image/png;base64,AAAA"}}]}]})",
       "messages[0].content[0].image_url.url"},
  };
  for (const auto& c : kCases) {
    const absl::Status status = ReadConversationFile(c.text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << c.text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.where)) << c.text;
  }
}

TEST(ConversationFileTest, MaxTilesHaveABound) {
  auto json = nlohmann::json::parse(ConversationFile(Spoken()));
  for (const int tiles : {0, 41}) {
    json["messages"][1]["content"][0]["image_url"]["max_tiles"] = tiles;
    EXPECT_THAT(
        std::string(ReadConversationFile(json.dump()).status().message()),
        HasSubstr("max_tiles"));
  }
}

}  // namespace
}  // namespace tandem
