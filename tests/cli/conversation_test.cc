#include "cli/conversation.h"

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::SizeIs;
using testing::StartsWith;

TEST(ConversationTest, CarriesModelSystemTextAndSampling) {
  v1::Sampling sampling;
  sampling.set_max_tokens(5);
  Conversation conversation(
      {.model = "m", .system = "Be kind.", .sampling = sampling});
  const v1::ChatRequest& request = conversation.Ask("Hi");
  EXPECT_EQ(request.model(), "m");
  EXPECT_EQ(request.sampling().max_tokens(), 5);
  EXPECT_FALSE(request.sampling().has_temperature());
  ASSERT_THAT(request.messages(), SizeIs(2));
  EXPECT_EQ(request.messages(0).role(), "system");
}

TEST(ConversationTest, PicturesStandInOrderInFrontOfTheText) {
  Conversation conversation({.max_tiles = 4});
  conversation.AddImage("first", "1.png");
  conversation.AddImage("second", "2.png");
  const v1::ChatMessage& message = conversation.Ask("Compare").messages(0);
  ASSERT_THAT(message.content(), SizeIs(3));
  EXPECT_EQ(message.content(0).image().data(), "first");
  EXPECT_EQ(message.content(1).image().data(), "second");
  EXPECT_EQ(message.content(0).image().max_tiles(), 4);
  EXPECT_EQ(message.content(0).image().detail(),
            v1::ImagePart::DETAIL_UNSPECIFIED);
  EXPECT_EQ(message.content(2).text(), "Compare");
}

TEST(ConversationTest, MoreTilesThanTheServerGivesByItselfAreAskedForAsHigh) {
  Conversation conversation({.max_tiles = 13});
  conversation.AddImage("x", "x.png");
  EXPECT_EQ(conversation.Ask("?").messages(0).content(0).image().detail(),
            v1::ImagePart::DETAIL_HIGH);
}

TEST(ConversationTest, ForgetTakesTheTurnAndItsPictures) {
  Conversation conversation({});
  conversation.Ask("Hi");
  conversation.Answered("Ho");
  conversation.AddImage("x", "x.png");
  conversation.Ask("See?");
  conversation.Forget();
  const v1::ChatRequest& request = conversation.Ask("Well?");
  ASSERT_THAT(request.messages(), SizeIs(3));
  EXPECT_THAT(request.messages(2).content(), SizeIs(1));
}

TEST(ConversationTest, KeepImagesTakesTheTurnAndLeavesItsPicturesWaiting) {
  Conversation conversation({.max_tiles = 4});
  conversation.AddImage("first", "1.png");
  conversation.AddImage("second", "2.png");
  conversation.Ask("Compare");
  EXPECT_EQ(conversation.images_waiting(), 0);
  conversation.KeepImages();
  EXPECT_EQ(conversation.images_waiting(), 2);
  const v1::ChatRequest& request = conversation.Ask("Again");
  ASSERT_THAT(request.messages(), SizeIs(1));
  const v1::ChatMessage& message = request.messages(0);
  ASSERT_THAT(message.content(), SizeIs(3));
  EXPECT_EQ(message.content(0).image().data(), "first");
  EXPECT_EQ(message.content(1).image().data(), "second");
  EXPECT_EQ(message.content(1).image().max_tiles(), 4);
  EXPECT_EQ(message.content(2).text(), "Again");
  const absl::Status named = conversation.NameImages(FieldError(
      "messages[0].content[1].image", reason::kImageInvalid, "broken"));
  EXPECT_THAT(std::string(named.message()), StartsWith("2.png: "));
}

TEST(ConversationTest, NamesThePictureOfAField) {
  Conversation conversation({});
  conversation.AddImage("x", "cat.png");
  conversation.Ask("?");
  const absl::Status of_image = FieldError("messages[0].content[0].image",
                                           reason::kImageInvalid, "broken");
  const absl::Status named = conversation.NameImages(of_image);
  EXPECT_THAT(std::string(named.message()), StartsWith("cat.png: "));
  EXPECT_EQ(ErrorReason(named), reason::kImageInvalid);
  const absl::Status other = FieldError("messages[0].role", "wrong");
  EXPECT_EQ(conversation.NameImages(other), other);
}

TEST(ConversationTest, NamesThePictureOfAnEarlierTurnWhateverTheSystemText) {
  Conversation conversation({});
  conversation.AddImage("x", "cat.png");
  conversation.Ask("?");
  conversation.Answered("A cat.");
  conversation.SetSystem("Be kind.");
  conversation.Ask("Sure?");
  const absl::Status named = conversation.NameImages(FieldError(
      "messages[1].content[0].image", reason::kImageInvalid, "broken"));
  EXPECT_THAT(std::string(named.message()), StartsWith("cat.png: "));
}

TEST(ConversationTest, AnAnswerThatWasTakenOutIsAskedForAgain) {
  Conversation conversation({.system = "Be kind."});
  EXPECT_EQ(conversation.num_turns(), 0);
  conversation.Ask("Hi");
  conversation.Answered("Ho");
  EXPECT_EQ(conversation.num_turns(), 1);
  EXPECT_EQ(conversation.TakeAnswer(), "Ho");
  ASSERT_THAT(conversation.request().messages(), SizeIs(2));
  EXPECT_EQ(conversation.request().messages(1).content(0).text(), "Hi");
  conversation.Answered("Oh");
  EXPECT_EQ(conversation.num_turns(), 1);
}

}  // namespace
}  // namespace tandem
