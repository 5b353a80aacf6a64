#include "cli/chat_loop.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "cli/grpc_chat_client.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/fakes/fake_chat_service.h"
#include "tests/fakes/fake_clock.h"

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
    StreamLineReader reader(in);
    return Run(reader, is_terminal);
  }

  bool Run(LineReader& reader, bool is_terminal) {
    ChatLoop loop(client_, conversation_, interrupt_, clock_,
                  {.lines = reader,
                   .out = out_,
                   .err = err_,
                   .is_terminal = is_terminal});
    return loop.Run();
  }

  FakeChatService service_;
  FakeClock clock_;
  GrpcChatClient client_{service_.Channel()};
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
  for (const char* word :
       {"/image", "/retry", "/undo", "/reset", "/system", "/set", "/timings",
        "/save", "/load", "/help", "/quit", "Ctrl-C"}) {
    EXPECT_THAT(err_.str(), HasSubstr(word));
  }
}

TEST_F(ChatLoopTest, PicturesAreNamedInTheLine) {
  EXPECT_TRUE(Type(
      absl::StrCat("What is it? ", kPicture, "\n@", kPicture, "\nAnd it?\n")));
  const std::vector<v1::ChatRequest> requests = service_.requests();
  ASSERT_THAT(requests, SizeIs(2));
  const v1::ChatMessage& first = requests[1].messages(1);
  ASSERT_THAT(first.content(), SizeIs(2));
  EXPECT_TRUE(first.content(0).has_image());
  EXPECT_EQ(first.content(1).text(), "What is it?");
  const v1::ChatMessage& second = requests[1].messages(3);
  ASSERT_THAT(second.content(), SizeIs(2));
  EXPECT_TRUE(second.content(0).has_image());
  EXPECT_EQ(second.content(1).text(), "And it?");
}

TEST_F(ChatLoopTest, ALineWithAPictureThatIsNotThereIsNotSent) {
  EXPECT_FALSE(Type(absl::StrCat(kPicture, " and @nowhere.png: same?\n")));
  EXPECT_THAT(err_.str(), HasSubstr("nowhere.png"));
  EXPECT_THAT(err_.str(), HasSubstr("nothing was sent"));
  EXPECT_THAT(service_.requests(), IsEmpty());
  EXPECT_EQ(conversation_.images_waiting(), 0);
}

TEST_F(ChatLoopTest, AFileThatIsNoPictureIsNotSentEither) {
  EXPECT_FALSE(
      Type("@" TANDEM_TEST_DATA "/bad_images/foreign_gif.bin what?\n"));
  EXPECT_THAT(err_.str(), HasSubstr("IMAGE_UNSUPPORTED_FORMAT"));
  EXPECT_THAT(service_.requests(), IsEmpty());
}

TEST_F(ChatLoopTest, UndoForgetsTheLastTurn) {
  EXPECT_TRUE(Type("One\nTwo\n/undo\nThree\n"));
  const v1::ChatRequest last = service_.requests().back();
  ASSERT_THAT(last.messages(), SizeIs(4));
  EXPECT_EQ(last.messages(1).content(0).text(), "One");
  EXPECT_EQ(last.messages(3).content(0).text(), "Three");
}

TEST_F(ChatLoopTest, UndoAndRetryOfNothingAreErrors) {
  EXPECT_FALSE(Type("/undo\n"));
  EXPECT_FALSE(Type("/retry\n"));
  EXPECT_THAT(service_.requests(), IsEmpty());
}

TEST_F(ChatLoopTest, RetryAsksTheLastQuestionAgain) {
  EXPECT_TRUE(Type(absl::StrCat("Hi\n", kPicture, " What?\n/retry\nOh\n")));
  const std::vector<v1::ChatRequest> requests = service_.requests();
  ASSERT_THAT(requests, SizeIs(4));
  EXPECT_EQ(requests[1].SerializeAsString(), requests[2].SerializeAsString());
  EXPECT_THAT(requests[3].messages(), SizeIs(6));
}

TEST_F(ChatLoopTest, ARetryThatFailsLeavesTheAnswerThatWas) {
  EXPECT_TRUE(Type("Hi\n"));
  service_.status =
      RetryableError(absl::StatusCode::kUnavailable,
                     reason::kBackendUnavailable, "no llm", absl::Seconds(1));
  EXPECT_FALSE(Type("/retry\n"));
  EXPECT_THAT(err_.str(), HasSubstr("the answer before stays"));
  service_.status = absl::OkStatus();
  EXPECT_TRUE(Type("Ho\n"));
  const v1::ChatRequest last = service_.requests().back();
  ASSERT_THAT(last.messages(), SizeIs(4));
  EXPECT_EQ(last.messages(2).content(0).text(), "Hello");
}

// The server fails until the line that mends it is typed.
class MendingReader final : public LineReader {
 public:
  MendingReader(FakeChatService& service, std::vector<std::string> lines)
      : service_(service), lines_(std::move(lines)) {}
  TypedLine Read() override {
    if (next_ == lines_.size()) return {};
    if (lines_[next_] == "/retry") service_.status = absl::OkStatus();
    return {TypedLine::Kind::kLine, lines_[next_++]};
  }

 private:
  FakeChatService& service_;
  std::vector<std::string> lines_;
  size_t next_ = 0;
};

TEST_F(ChatLoopTest, RetryAsksAQuestionThatFailedWithItsPictures) {
  service_.status =
      RetryableError(absl::StatusCode::kUnavailable,
                     reason::kBackendUnavailable, "no llm", absl::Seconds(1));
  MendingReader reader(service_,
                       {absl::StrCat(kPicture, " What?"), "/set seed 7",
                        "/set seed default", "/retry"});
  EXPECT_FALSE(Run(reader, /*is_terminal=*/false));
  ASSERT_THAT(service_.requests(), SizeIs(2));
  EXPECT_EQ(service_.requests()[0].SerializeAsString(),
            service_.requests()[1].SerializeAsString());
  EXPECT_EQ(out_.str(), "Hello\nHello\n");
}

TEST_F(ChatLoopTest, AQuestionThatFailedGoesWithItsConversation) {
  service_.status =
      RetryableError(absl::StatusCode::kUnavailable,
                     reason::kBackendUnavailable, "no llm", absl::Seconds(1));
  EXPECT_FALSE(Type("Hi\n/reset\n/retry\n"));
  EXPECT_THAT(service_.requests(), SizeIs(1));
  EXPECT_THAT(err_.str(), HasSubstr("/retry: nothing has been said yet"));
}

TEST_F(ChatLoopTest, SystemSetsWhatTheModelIsToldFirst) {
  EXPECT_TRUE(Type("Hi\n/system Be long.\nHo\n/system\nOh\n"));
  const std::vector<v1::ChatRequest> requests = service_.requests();
  ASSERT_THAT(requests, SizeIs(3));
  ASSERT_THAT(requests[1].messages(), SizeIs(4));
  EXPECT_EQ(requests[1].messages(0).content(0).text(), "Be long.");
  EXPECT_EQ(requests[1].messages(1).content(0).text(), "Hi");
  ASSERT_THAT(requests[2].messages(), SizeIs(5));
  EXPECT_EQ(requests[2].messages(0).role(), "user");
  EXPECT_FALSE(Type("/system a\xFF\n"));
}

TEST_F(ChatLoopTest, SetChangesHowLaterAnswersAreMade) {
  EXPECT_TRUE(
      Type("/set temperature 0.5\n/set max_tokens 20\n/set seed=7\n"
           "/set max_tiles 4\n" +
           absl::StrCat(kPicture, " Hi\n") + "/set temperature default\nHo\n"));
  EXPECT_THAT(err_.str(), HasSubstr("max_tiles 4, max_tokens 20, seed 7, "
                                    "temperature 0.5\n"));
  const std::vector<v1::ChatRequest> requests = service_.requests();
  EXPECT_EQ(requests[0].sampling().temperature(), 0.5f);
  EXPECT_EQ(requests[0].sampling().max_tokens(), 20);
  EXPECT_EQ(requests[0].sampling().seed(), 7);
  EXPECT_EQ(requests[0].messages(1).content(0).image().max_tiles(), 4);
  EXPECT_FALSE(requests[1].sampling().has_temperature());
}

TEST_F(ChatLoopTest, SettingsNameValueAndBound) {
  const struct {
    const char *line, *says;
  } kCases[] = {
      {"/set temperature 2.5\n", "2.5 is no number in [0, 2]"},
      {"/set temperature nan\n", "nan is no number in [0, 2]"},
      {"/set temperature\n", "is no number in [0, 2]"},
      {"/set top_p 0\n", "0 is no number in (0, 1]"},
      {"/set max_tokens 0\n", "0 is no whole number in [1, 4294967295]"},
      {"/set max_tokens 1.5\n", "1.5 is no whole number"},
      {"/set max_tiles 41\n", "41 is no whole number in [1, 40]"},
      {"/set colour red\n", "there is no setting \"colour\""},
  };
  for (const auto& c : kCases) {
    err_.str("");
    EXPECT_FALSE(Type(c.line)) << c.line;
    EXPECT_THAT(err_.str(), HasSubstr(c.says));
  }
}

TEST_F(ChatLoopTest, TimingsFollowAnAnswerWhereSomebodyReadsThem) {
  EXPECT_TRUE(Type("Hi\n", /*is_terminal=*/true));
  EXPECT_THAT(err_.str(),
              HasSubstr("\x1B[2m2 tokens in 0 ms, first after 0 ms; prompt 21 "
                        "tokens, 3 of pictures, 4 cached\x1B[0m\n"));
  err_.str("");
  EXPECT_TRUE(Type("/timings off\nHi\n", /*is_terminal=*/true));
  EXPECT_THAT(err_.str(), testing::Not(HasSubstr("tokens")));
  err_.str("");
  EXPECT_TRUE(Type("Hi\n"));
  EXPECT_EQ(err_.str(), "");
  EXPECT_TRUE(Type("/timings\nHi\n"));
  EXPECT_THAT(err_.str(), HasSubstr("\n2 tokens in 0 ms"));
  EXPECT_FALSE(Type("/timings maybe\n"));
}

class ChatLoopFilesTest : public ChatLoopTest {
 protected:
  ChatLoopFilesTest() {
    std::string name = testing::TempDir() + "chat_loop_XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~ChatLoopFilesTest() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(ChatLoopFilesTest, SaveAndLoadGoOnWhereAConversationWas) {
  const std::string file = folder_ + "/my talk.json";
  EXPECT_TRUE(Type(absl::StrCat(kPicture, " What?\n/save ", file, "\n")));
  conversation_.Reset();
  conversation_.SetSystem("");
  EXPECT_TRUE(
      Type(absl::StrCat("/load \"", file, "\"\nAnd?\n/save ", file, "\n")));
  const v1::ChatRequest last = service_.requests().back();
  ASSERT_THAT(last.messages(), SizeIs(4));
  EXPECT_EQ(last.messages(0).content(0).text(), "Be short.");
  EXPECT_TRUE(last.messages(1).content(0).has_image());
  EXPECT_EQ(last.messages(2).content(0).text(), "Hello");
  std::ifstream saved(file);
  EXPECT_THAT(nlohmann::json::parse(saved)["messages"], SizeIs(5));
}

TEST_F(ChatLoopFilesTest, SaveLeavesFilesAloneThatItDidNotWrite) {
  const std::string file = folder_ + "/cat.png";
  std::ofstream(file) << "cat";
  EXPECT_FALSE(Type(absl::StrCat("Hi\n/save ", file, "\n")));
  EXPECT_THAT(err_.str(), HasSubstr("cat.png: there is such a file already"));
  std::string word;
  std::ifstream(file) >> word;
  EXPECT_EQ(word, "cat");
}

TEST_F(ChatLoopFilesTest, FilesThatCannotBeReadOrWrittenAreNamed) {
  const std::string broken = folder_ + "/broken.json";
  std::ofstream(broken) << "{";
  for (const std::string& line :
       {std::string("/save"), std::string("/load"),
        "/save " + folder_ + "/no/folder.json", "/load " + folder_ + "/none",
        "/load " + broken, "/load " + folder_}) {
    err_.str("");
    EXPECT_FALSE(Type(line + "\n")) << line;
    EXPECT_THAT(err_.str(), HasSubstr("tandem chat: ")) << line;
  }
  EXPECT_TRUE(Type("Hi\n"));
  EXPECT_EQ(service_.requests().back().messages(0).content(0).text(),
            "Be short.");
}

class OneKeyReader final : public LineReader {
 public:
  explicit OneKeyReader(TypedLine key) : key_(std::move(key)) {}
  TypedLine Read() override { return std::exchange(key_, {}); }

 private:
  TypedLine key_;
};

TEST_F(ChatLoopTest, CtrlCAtAnEmptyPromptSaysHowToQuit) {
  OneKeyReader empty({TypedLine::Kind::kInterrupted, ""});
  EXPECT_TRUE(Run(empty, /*is_terminal=*/true));
  EXPECT_THAT(err_.str(), HasSubstr("(Ctrl-D or /quit ends)"));
  err_.str("");
  OneKeyReader typed({TypedLine::Kind::kInterrupted, "half a li"});
  EXPECT_TRUE(Run(typed, /*is_terminal=*/true));
  EXPECT_THAT(err_.str(), testing::Not(HasSubstr("Ctrl-D")));
  EXPECT_THAT(service_.requests(), IsEmpty());
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
