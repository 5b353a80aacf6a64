#include "cli/chat_loop.h"

#include <sstream>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_chat_service.h"

namespace tandem {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ChatLoopTest : public testing::Test {
 protected:
  // Types `lines`; true if the loop says that all went well.
  bool Type(const std::string& lines, bool is_terminal = false) {
    std::istringstream in(lines);
    ChatLoop loop(
        client_, conversation_, interrupt_,
        {.in = in, .out = out_, .err = err_, .is_terminal = is_terminal});
    return loop.Run();
  }

  FakeChatService service_;
  ChatClient client_{service_.Channel()};
  Conversation conversation_{{.model = "tiny", .system = "Be short."}};
  Interrupt interrupt_;
  std::ostringstream out_, err_;
};

const char kPicture[] = TANDEM_TEST_DATA "/images/png_rgb_5x3.png";

TEST_F(ChatLoopTest, SendsTheWholeConversationWithEveryTurn) {
  EXPECT_TRUE(Type("Hi\nAnd now?\n"));
  EXPECT_EQ(out_.str(), "Hello\nHello\n");
  const std::vector<v1::ChatRequest> requests = service_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_THAT(requests[0].messages(), SizeIs(2));
  ASSERT_THAT(requests[1].messages(), SizeIs(4));
  EXPECT_EQ(requests[1].messages(0).content(0).text(), "Be short.");
  EXPECT_EQ(requests[1].messages(1).content(0).text(), "Hi");
  EXPECT_EQ(requests[1].messages(2).role(), "assistant");
  EXPECT_EQ(requests[1].messages(2).content(0).text(), "Hello");
  EXPECT_EQ(requests[1].messages(3).content(0).text(), "And now?");
}

TEST_F(ChatLoopTest, PutsAPictureInFrontOfTheNextLine) {
  EXPECT_TRUE(
      Type(std::string("/image ") + kPicture + "\nWhat is it?\nSure?\n"));
  EXPECT_THAT(err_.str(), HasSubstr("5 x 3"));
  const std::vector<v1::ChatRequest> requests = service_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  const v1::ChatMessage& asked = requests[1].messages(1);
  ASSERT_THAT(asked.content(), SizeIs(2));
  EXPECT_TRUE(asked.content(0).has_image());
  EXPECT_EQ(asked.content(1).text(), "What is it?");
  EXPECT_THAT(requests[1].messages(3).content(), SizeIs(1));
}

TEST_F(ChatLoopTest, ResetForgetsAllButTheSystemText) {
  EXPECT_TRUE(Type("Hi\n/reset\nAgain\n"));
  const std::vector<v1::ChatRequest> requests = service_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  ASSERT_THAT(requests[1].messages(), SizeIs(2));
  EXPECT_EQ(requests[1].messages(0).role(), "system");
  EXPECT_EQ(requests[1].messages(1).content(0).text(), "Again");
}

TEST_F(ChatLoopTest, QuitEndsBeforeTheEndOfInput) {
  EXPECT_TRUE(Type("/quit\nHi\n"));
  EXPECT_THAT(service_.requests(), IsEmpty());
}

TEST_F(ChatLoopTest, HelpNamesEveryCommand) {
  EXPECT_TRUE(Type("/help\n"));
  for (const char* word : {"/image", "/reset", "/help", "/quit"}) {
    EXPECT_THAT(err_.str(), HasSubstr(word));
  }
}

TEST_F(ChatLoopTest, AFailedTurnIsReportedAndForgotten) {
  service_.status =
      RetryableError(absl::StatusCode::kUnavailable,
                     reason::kBackendUnavailable, "no llm", absl::Seconds(1));
  EXPECT_FALSE(Type("Hi\n"));
  EXPECT_THAT(err_.str(), HasSubstr("UNAVAILABLE BACKEND_UNAVAILABLE: no llm"));
  service_.status = absl::OkStatus();
  EXPECT_TRUE(Type("Hello\n"));
  const std::vector<v1::ChatRequest> requests = service_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  ASSERT_THAT(requests[1].messages(), SizeIs(2));
  EXPECT_EQ(requests[1].messages(1).content(0).text(), "Hello");
}

TEST_F(ChatLoopTest, NamesThePictureThatTheServerRefused) {
  service_.status = FieldError("messages[1].content[0].image",
                               reason::kImageTruncated, "ends too soon");
  EXPECT_FALSE(Type(std::string("/image ") + kPicture + "\nWhat?\n"));
  EXPECT_THAT(err_.str(), HasSubstr("png_rgb_5x3.png: messages[1].content[0]"));
}

TEST_F(ChatLoopTest, PicturesOfATurnThatFailedGoWithTheNextLine) {
  service_.status =
      RetryableError(absl::StatusCode::kUnavailable,
                     reason::kBackendUnavailable, "no llm", absl::Seconds(1));
  EXPECT_FALSE(Type(std::string("/image ") + kPicture + "\nWhat?\n"));
  EXPECT_THAT(err_.str(), HasSubstr("(this turn is forgotten, its pictures go "
                                    "with your next line)\n"));
  service_.status = absl::OkStatus();
  EXPECT_TRUE(Type("What is it?\n"));
  const v1::ChatMessage asked = service_.requests().back().messages(1);
  ASSERT_THAT(asked.content(), SizeIs(2));
  EXPECT_TRUE(asked.content(0).has_image());
  EXPECT_FALSE(asked.content(0).image().data().empty());
}

TEST_F(ChatLoopTest, PicturesOfATurnThatWasRefusedAreForgottenAndItSaysSo) {
  service_.status = FieldError("messages[1].content[0].image",
                               reason::kImageTruncated, "ends too soon");
  EXPECT_FALSE(Type(std::string("/image ") + kPicture + "\nWhat?\n"));
  EXPECT_THAT(err_.str(),
              HasSubstr("(this turn and its pictures are forgotten)\n"));
  service_.status = absl::OkStatus();
  EXPECT_TRUE(Type("Hi\n"));
  const v1::ChatMessage asked = service_.requests().back().messages(1);
  EXPECT_THAT(asked.content(), SizeIs(1));
}

TEST_F(ChatLoopTest, AFullContextIsToldWithTheWayOut) {
  service_.status =
      FieldError("messages", reason::kContextLengthExceeded, "33000 tokens");
  EXPECT_FALSE(Type("Hi\n"));
  EXPECT_THAT(err_.str(),
              HasSubstr("(this turn is forgotten; /reset begins anew)\n"));
}

TEST_F(ChatLoopTest, WrongCommandsAreErrorsAndAskNothing) {
  for (const char* line :
       {"/picture x.png\n", "/image\n", "/image /nowhere/x.png\n",
        "/image " TANDEM_TEST_DATA "/bad_images/foreign_gif.bin\n",
        "/image " TANDEM_TEST_DATA "/bad_images/empty.bin\n",
        "/image " TANDEM_TEST_DATA "\n"}) {
    err_.str("");
    EXPECT_FALSE(Type(line)) << line;
    EXPECT_THAT(err_.str(), HasSubstr("tandem chat: ")) << line;
  }
  EXPECT_THAT(service_.requests(), IsEmpty());
}

TEST_F(ChatLoopTest, TextThatIsNotUtf8IsAnErrorAndTheLoopGoesOn) {
  EXPECT_FALSE(Type("a\xFF\nHi\n"));
  EXPECT_THAT(err_.str(), HasSubstr("FIELD_INVALID"));
  EXPECT_THAT(service_.requests(), SizeIs(1));
}

TEST_F(ChatLoopTest, BlankLinesAreNoTurns) {
  EXPECT_TRUE(Type("\n  \t\n"));
  EXPECT_THAT(service_.requests(), IsEmpty());
}

TEST_F(ChatLoopTest, AnEmptyAnswerLeavesNoTurnThatTheServerWouldRefuse) {
  service_.pieces = {};
  EXPECT_TRUE(Type("Hi\nHo\n"));
  const std::vector<v1::ChatRequest> requests = service_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_THAT(requests[1].messages(), SizeIs(2));
}

TEST_F(ChatLoopTest, OnATerminalAnswersCannotCommandIt) {
  service_.pieces = {"\x1B[2Jboo"};
  EXPECT_TRUE(Type("Hi\n", /*is_terminal=*/true));
  EXPECT_THAT(out_.str(), HasSubstr("\xEF\xBF\xBD[2Jboo"));
  out_.str("");
  EXPECT_TRUE(Type("Hi\n", /*is_terminal=*/false));
  EXPECT_EQ(out_.str(), "\x1B[2Jboo\n");
}

}  // namespace
}  // namespace tandem
