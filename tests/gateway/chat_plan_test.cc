#include "gateway/chat_plan.h"

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "common/errors.h"
#include "gtest/gtest.h"
#include "tests/fakes/bmp_header.h"

namespace tandem {
namespace {

using Messages = google::protobuf::RepeatedPtrField<v1::ChatMessage>;

v1::ChatMessage Message(const std::string& role, const std::string& text) {
  v1::ChatMessage message;
  message.set_role(role);
  message.add_content()->set_text(text);
  return message;
}

v1::ImagePart& AddImage(v1::ChatMessage& message, int width, int height) {
  v1::ImagePart& image = *message.add_content()->mutable_image();
  image.set_data(BmpHeader(width, height));
  return image;
}

Messages Conversation(const std::vector<v1::ChatMessage>& messages) {
  return {messages.begin(), messages.end()};
}

v1::ChatRequest Request(const Messages& messages) {
  v1::ChatRequest request;
  *request.mutable_messages() = messages;
  return request;
}

absl::StatusOr<ChatPlan> Plan(const v1::ChatRequest& request) {
  return PlanChat(request, Preprocessing(), ChatLimits());
}

TEST(ChatPlan, KeepsMessagesAndNumbersImagesInOrder) {
  v1::ChatMessage first = Message("user", "what is this?");
  AddImage(first, 448, 448);
  v1::ChatMessage last = Message("user", "and this?");
  AddImage(last, 896, 448);
  const v1::ChatRequest request =
      Request(Conversation({Message("developer", "be brief"), first,
                            Message("assistant", "a cat"), last}));
  const auto plan = Plan(request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->messages.size(), 4u);
  EXPECT_EQ(plan->messages[0].role(), "system");
  EXPECT_EQ(plan->messages[1].content(0).text(), "what is this?");
  EXPECT_EQ(plan->messages[1].content(1).image_index(), 0u);
  EXPECT_EQ(plan->messages[3].content(1).image_index(), 1u);
  ASSERT_EQ(plan->images.size(), 2u);
  EXPECT_EQ(plan->images[1].field, "messages[3].content[1].image");
  EXPECT_EQ(plan->images[1].grid, (TileGrid{2, 1}));
  EXPECT_EQ(plan->num_tiles(), 4);
  EXPECT_EQ(plan->image_bytes, 108);
}

TEST(ChatPlan, SharesTheTileBudgetEvenlyWhereDetailIsAuto) {
  v1::ChatMessage message = Message("user", "compare");
  for (int i = 0; i < 8; ++i) AddImage(message, 640, 480);
  const v1::ChatRequest request = Request(Conversation({message}));
  const auto plan = Plan(request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_LE(plan->num_tiles(), 64);
  for (const PlannedImage& image : plan->images) {
    EXPECT_EQ(image.max_tiles, plan->images[0].max_tiles);
    EXPECT_EQ(image.grid, (TileGrid{3, 2}));  // 7 tiles each, 56 in all.
  }
}

TEST(ChatPlan, NeverLowersHighDetail) {
  v1::ChatMessage message = Message("user", "compare");
  AddImage(message, 2000, 2000).set_detail(v1::ImagePart::DETAIL_HIGH);
  message.mutable_content(1)->mutable_image()->set_max_tiles(40);
  for (int i = 0; i < 4; ++i) AddImage(message, 640, 480);
  const v1::ChatRequest request = Request(Conversation({message}));
  const auto plan = Plan(request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->images[0].grid, (TileGrid{6, 6}));  // 37 of 64 tiles.
  EXPECT_LT(plan->images[1].max_tiles, 12);
  EXPECT_LE(plan->num_tiles(), 64);
}

TEST(ChatPlan, LowDetailIsOneTileAndAutoStopsAtTwelve) {
  v1::ChatMessage message = Message("user", "look");
  AddImage(message, 2000, 2000).set_detail(v1::ImagePart::DETAIL_LOW);
  AddImage(message, 2000, 2000).set_max_tiles(40);
  const v1::ChatRequest request = Request(Conversation({message}));
  const auto plan = Plan(request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->images[0].grid, (TileGrid{1, 1}));
  EXPECT_EQ(plan->images[1].grid, (TileGrid{3, 3}));
}

TEST(ChatPlan, APromptStandsInsteadOfMessages) {
  v1::ChatRequest request;
  request.set_prompt("once upon");
  const auto plan = Plan(request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->prompt, &request.prompt());
  EXPECT_TRUE(plan->messages.empty());
  EXPECT_EQ(plan->num_tiles(), 0);
  EXPECT_EQ(plan->image_bytes, 0);
}

TEST(ChatPlan, AnEmptyPromptCanBeCountedOnly) {
  v1::CountTokensRequest count;
  count.set_prompt("");
  const auto plan = PlanCount(count, Preprocessing(), ChatLimits());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->prompt, &count.prompt());
  v1::ChatRequest chat;
  chat.set_prompt("");
  const absl::Status status = Plan(chat).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(status), "prompt");
}

TEST(ChatPlan, TakesNoPromptBesideMessages) {
  v1::ChatRequest chat = Request(Conversation({Message("user", "hello")}));
  chat.set_prompt("x");
  EXPECT_EQ(ErrorField(Plan(chat).status()), "prompt");
  v1::CountTokensRequest count;
  *count.mutable_messages() = chat.messages();
  count.set_prompt("");
  const absl::Status status =
      PlanCount(count, Preprocessing(), ChatLimits()).status();
  EXPECT_EQ(ErrorField(status), "prompt");
  EXPECT_EQ(status.message(), "prompt: is set beside messages");
}

struct BadRequest {
  std::string name;
  std::string field;
  std::string message;  // a part of it
  std::function<void(Messages&)> spoil;
  friend std::ostream& operator<<(std::ostream& os, const BadRequest& bad) {
    return os << bad.name;
  }
};

class ChatPlanErrorTest : public testing::TestWithParam<BadRequest> {};

TEST_P(ChatPlanErrorTest, NamesTheFieldAndTheBound) {
  Messages messages = Conversation({Message("user", "hello")});
  GetParam().spoil(messages);
  const absl::Status status = Plan(Request(messages)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(ErrorField(status), GetParam().field) << status;
  EXPECT_NE(std::string(status.message()).find(GetParam().message),
            std::string::npos)
      << status;
}

INSTANTIATE_TEST_SUITE_P(
    Requests, ChatPlanErrorTest,
    testing::Values(
        BadRequest{"NoMessage", "messages", "there are 0, not 1 to 256",
                   [](Messages& m) { m.Clear(); }},
        BadRequest{"TooManyMessages", "messages", "there are 257",
                   [](Messages& m) {
                     while (m.size() < 257) *m.Add() = Message("user", "x");
                   }},
        BadRequest{"NoContent", "messages[0].content", "there are 0",
                   [](Messages& m) { m[0].clear_content(); }},
        BadRequest{"TooManyParts", "messages[0].content", "there are 65",
                   [](Messages& m) {
                     while (m[0].content_size() < 65) {
                       m[0].add_content()->set_text("x");
                     }
                   }},
        BadRequest{"EmptyMessage", "messages[0].content", "empty",
                   [](Messages& m) { m[0].mutable_content(0)->set_text(""); }},
        BadRequest{"EmptyPart", "messages[0].content[1]", "neither",
                   [](Messages& m) { m[0].add_content(); }},
        BadRequest{"UnknownRole", "messages[0].role", "\"tool\" is not one",
                   [](Messages& m) { m[0].set_role("tool"); }},
        BadRequest{"LateSystem", "messages[1].role", "comes first",
                   [](Messages& m) { *m.Add() = Message("system", "x"); }},
        BadRequest{"LastIsAssistant", "messages[1].role", "not the user's",
                   [](Messages& m) { *m.Add() = Message("assistant", "x"); }},
        BadRequest{"ImageOfAssistant", "messages[1].content[1]",
                   "user messages",
                   [](Messages& m) {
                     AddImage(*m.Add() = Message("assistant", "x"), 1, 1);
                   }},
        BadRequest{"TooManyImages", "messages", "9 images; a request may",
                   [](Messages& m) {
                     for (int i = 0; i < 9; ++i) AddImage(m[0], 8, 8);
                   }},
        BadRequest{"TooManyTiles", "messages", "a request may have 64",
                   [](Messages& m) {
                     for (int i = 0; i < 2; ++i) {
                       v1::ImagePart& image = AddImage(m[0], 2000, 2000);
                       image.set_detail(v1::ImagePart::DETAIL_HIGH);
                       image.set_max_tiles(40);
                     }
                   }},
        BadRequest{"TooManyTilesOfAnImage",
                   "messages[0].content[1].image.max_tiles",
                   "41 is outside [0, 40]",
                   [](Messages& m) { AddImage(m[0], 8, 8).set_max_tiles(41); }},
        BadRequest{"HugeImage", "messages[0].content[1].image", "",
                   [](Messages& m) { AddImage(m[0], 20000, 20000); }},
        BadRequest{"NoImage", "messages[0].content[1].image", "",
                   [](Messages& m) { AddImage(m[0], 8, 8).clear_data(); }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tandem
