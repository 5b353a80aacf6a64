#include "cli/grpc_chat_client.h"

#include <thread>

#include "absl/synchronization/notification.h"
#include "common/channel.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_chat_service.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

v1::ChatRequest Question(const std::string& text) {
  v1::ChatRequest request;
  v1::ChatMessage& message = *request.add_messages();
  message.set_role("user");
  message.add_content()->set_text(text);
  return request;
}

class GrpcChatClientTest : public testing::Test {
 protected:
  FakeChatService service_;
  GrpcChatClient client_{service_.Channel(), {{"authorization", "Bearer key"}}};
};

TEST_F(GrpcChatClientTest, GivesTheTextAsItComesAndTheWholeAnswer) {
  std::vector<std::string> pieces;
  const absl::StatusOr<ChatAnswer> answer = client_.Chat(
      Question("Hi"),
      [&](absl::string_view piece) { pieces.emplace_back(piece); });
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(pieces, ElementsAre("He", "llo"));
  EXPECT_EQ(answer->text, "Hello");
  EXPECT_THAT(answer->token_ids, ElementsAre(7, 8));
  EXPECT_EQ(answer->finish_reason, v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(answer->usage.prompt_tokens(), 21);
  EXPECT_EQ(answer->timings.prefill(), 1.5);
}

TEST_F(GrpcChatClientTest, SendsItsHeadersWithEveryCall) {
  ASSERT_TRUE(client_.FindModel("").ok());
  ASSERT_TRUE(client_.FindModel("tiny").ok());
  ASSERT_TRUE(client_.Chat(Question("Hi"), [](absl::string_view) {}).ok());
  EXPECT_THAT(service_.authorizations(),
              ElementsAre("Bearer key", "Bearer key", "Bearer key"));
}

TEST_F(GrpcChatClientTest, KeepsTheReasonOfAnError) {
  service_.status = FieldError("messages[0]", "is wrong");
  const absl::Status status =
      client_.Chat(Question("Hi"), [](absl::string_view) {}).status();
  EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
  EXPECT_EQ(ErrorField(status), "messages[0]");
}

TEST_F(GrpcChatClientTest, RefusesTextThatIsNotUtf8BeforeItIsSent) {
  const absl::Status status =
      client_.Chat(Question("a\xFFz"), [](absl::string_view) {}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(ErrorField(status), "messages[0].content[0].text");
  EXPECT_TRUE(service_.requests().empty());
}

TEST_F(GrpcChatClientTest, RefusesARequestAboveTheBoundOfAMessage) {
  v1::ChatRequest request = Question("Hi");
  for (int i = 0; i < 2; ++i) {
    request.mutable_messages(0)->add_content()->mutable_image()->set_data(
        std::string(17 << 20, 'x'));
  }
  const absl::Status status =
      client_.Chat(request, [](absl::string_view) {}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("33554432"));
  EXPECT_TRUE(service_.requests().empty());
}

TEST_F(GrpcChatClientTest, CancelEndsTheAnswer) {
  service_.wait_for_cancel = true;
  absl::Notification begun;
  std::thread canceller([&] {
    begun.WaitForNotification();
    client_.Cancel();
  });
  const absl::Status status = client_
                                  .Chat(Question("Hi"),
                                        [&](absl::string_view) {
                                          if (!begun.HasBeenNotified())
                                            begun.Notify();
                                        })
                                  .status();
  canceller.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(GrpcChatClientTest, TakesTheOnlyModel) {
  const absl::StatusOr<v1::Model> model = client_.FindModel("");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->id(), "tiny");
}

TEST_F(GrpcChatClientTest, AsksForANameWhereSeveralModelsAreServed) {
  service_.models = {"a", "b"};
  const absl::Status status = client_.FindModel("").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--served-name"));
}

TEST(GrpcChatClientWithoutServerTest, SaysThatNobodyAnswers) {
  // Port 1 is nobody's.
  GrpcChatClient client(MakeChannel("127.0.0.1:1"));
  EXPECT_EQ(client.FindModel("").status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace tandem
