// What breaks behind the gateway, and what the client hears of it.
#include <atomic>
#include <functional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "common/errors.h"
#include "common/grpc_status.h"
#include "gmock/gmock.h"
#include "tests/gateway/chat_fixture.h"

namespace tandem {
namespace {

using testing::ElementsAre;

absl::Status Draining() {
  return RetryableError(absl::StatusCode::kUnavailable, reason::kDraining,
                        "the service is stopping", absl::Seconds(1));
}

// As the llm service says it of the request's image `index`.
absl::Status OfImage(absl::StatusCode code, absl::string_view reason,
                     int index) {
  return MakeError(code, reason, "an image failed",
                   {{"image", absl::StrCat(index)}});
}

absl::Status Expired() {
  return OfImage(absl::StatusCode::kNotFound, reason::kEmbeddingExpired, 0);
}

absl::Status Corrupt() {
  return OfImage(absl::StatusCode::kDataLoss, reason::kEmbeddingCorrupt, 0);
}

FakeLlmService::Script Failing(absl::Status status, int after_pieces = 0) {
  FakeLlmService::Script script;
  script.status = std::move(status);
  script.pieces_before_status = after_pieces;
  return script;
}

class ChatRetryTest : public ChatFixture {
 protected:
  // The vision replica that ImageRequest() goes to while all are idle.
  FakeVisionService& Home() {
    EXPECT_TRUE(Chat(ImageRequest()).status.ok());
    ExpectIdle();
    return vision_[0]->num_puts() > 0 ? *vision_[0] : *vision_[1];
  }
  FakeVisionService& OtherThan(const FakeVisionService& home) {
    return &home == vision_[0].get() ? *vision_[1] : *vision_[0];
  }
};

TEST_F(ChatRetryTest, AnImageThatCannotBePutGoesToAnotherReplica) {
  StartGateway({.num_vision = 2});
  FakeVisionService& home = Home();
  home.FailPuts(Draining());
  EXPECT_TRUE(Chat(ImageRequest()).status.ok());
  EXPECT_EQ(home.num_puts(), 2);
  EXPECT_EQ(OtherThan(home).num_puts(), 1);
  EXPECT_EQ(Retries(Backend::kVision, absl::StatusCode::kUnavailable), 1);
  EXPECT_EQ(llm_[0]->requests().size(), 2u);
  ExpectIdle();
}

TEST_F(ChatRetryTest, TheOnlyReplicaIsAskedAgain) {
  StartGateway();
  vision_[0]->FailPuts(absl::UnavailableError("GOAWAY"));
  EXPECT_TRUE(Chat(ImageRequest()).status.ok());
  EXPECT_EQ(vision_[0]->num_puts(), 2);
  ExpectIdle();
}

TEST_F(ChatRetryTest, TwoFailuresToPutAreTheEnd) {
  StartGateway({.num_vision = 2});
  for (const auto& vision : vision_) vision->FailPuts(Draining());
  const absl::Status status = Chat(ImageRequest()).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kDraining);
  EXPECT_TRUE(RetryDelay(status).has_value());
  EXPECT_EQ(vision_[0]->num_puts(), 1);
  EXPECT_EQ(vision_[1]->num_puts(), 1);
  EXPECT_EQ(llm_[0]->requests().size(), 0u);
  EXPECT_EQ(Requests(absl::StatusCode::kUnavailable), 1);
  ExpectIdle();
}

TEST_F(ChatRetryTest, ImagesThatWerePutAreReleasedWhereOneWasNot) {
  StartGateway();
  vision_[0]->FailPuts(
      FieldError("max_tiles", "41 is outside [1, 40]"));  // one of three
  const absl::Status status =
      Chat(ImageRequest({{448, 448}, {448, 448}, {448, 448}})).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ErrorField(status),
              testing::MatchesRegex(
                  R"(messages\[0\].content\[[0-2]\].image.max_tiles)"));
  EXPECT_EQ(vision_[0]->num_puts(), 3);
  ExpectIdle();
  EXPECT_EQ(vision_[0]->releases().size(), 2u);
}

TEST_F(ChatRetryTest, ALostVisionProcessIsReplaced) {
  StartGateway({.num_vision = 2, .sockets = true});
  Home().Shutdown();
  EXPECT_TRUE(Chat(ImageRequest()).status.ok());
}

TEST_F(ChatRetryTest, AnExpiredImageIsPutAgainWhereItWas) {
  StartGateway({.num_vision = 2});
  FakeVisionService& home = Home();
  llm_[0]->SetNextScript(Failing(Expired()));
  const ChatAnswer answer = Chat(ImageRequest());
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_THAT(answer.token_ids(), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(home.num_puts(), 3);
  EXPECT_EQ(Retries(Backend::kVision, absl::StatusCode::kNotFound), 1);
  ExpectIdle();
}

TEST_F(ChatRetryTest, PicturesThatArePutAgainAreTheSameInTheSameOrder) {
  StartGateway({.num_vision = 2});
  llm_[0]->SetNextScript(Failing(Expired()));
  EXPECT_TRUE(
      Chat(ImageRequest({{448, 448}, {896, 448}, {896, 896}})).status.ok());
  const std::vector<v1::GenerateRequest> requests = llm_[0]->requests();
  ASSERT_EQ(requests.size(), 2u);
  for (const v1::GenerateRequest& request : requests) {
    ASSERT_EQ(request.images_size(), 3);
    EXPECT_EQ(request.images(0).num_tiles(), 1u);
    EXPECT_EQ(request.images(1).num_tiles(), 3u);
    EXPECT_EQ(request.images(2).num_tiles(), 5u);
  }
  ExpectIdle();
}

TEST_F(ChatRetryTest, AVisionServiceThatTheLlmServiceCannotReachHasNoAddress) {
  StartGateway();
  llm_[0]->SetScript(Failing(MakeError(
      absl::StatusCode::kUnavailable, reason::kBackendUnavailable,
      "image 0: failed to connect to all addresses; last error: UNKNOWN: "
      "ipv4:10.0.0.5:50061: Failed to connect",
      {{"image", "0"}, {"peer", "10.0.0.5"}})));
  const absl::Status status = Chat(ImageRequest()).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
  EXPECT_EQ(status.message(), "a vision service cannot be reached");
  EXPECT_EQ(RetryDelay(status), absl::Seconds(1));
  EXPECT_THAT(status.ToString(), testing::Not(testing::HasSubstr("10.0.0.5")));
  EXPECT_EQ(Retries(Backend::kVision, absl::StatusCode::kUnavailable), 1);
  ExpectIdle();
}

TEST_F(ChatRetryTest, ACorruptTransferIsTriedFromAnotherReplica) {
  StartGateway({.num_vision = 2});
  FakeVisionService& home = Home();
  llm_[0]->SetNextScript(Failing(Corrupt()));
  EXPECT_TRUE(Chat(ImageRequest()).status.ok());
  EXPECT_EQ(OtherThan(home).num_puts(), 1);
  EXPECT_EQ(Retries(Backend::kVision, absl::StatusCode::kDataLoss), 1);
  ExpectIdle();
}

TEST_F(ChatRetryTest, AVisionReplicaThatTheLlmServiceLostIsReplaced) {
  StartGateway({.num_vision = 2, .num_llm = 1});
  FakeVisionService& home = Home();
  llm_[0]->SetNextScript(Failing(
      OfImage(absl::StatusCode::kUnavailable, reason::kBackendUnavailable, 0)));
  EXPECT_TRUE(Chat(ImageRequest()).status.ok());
  EXPECT_EQ(OtherThan(home).num_puts(), 1);
  EXPECT_EQ(Retries(Backend::kVision, absl::StatusCode::kUnavailable), 1);
  EXPECT_EQ(Retries(Backend::kLlm, absl::StatusCode::kUnavailable), 0);
  ExpectIdle();
}

TEST_F(ChatRetryTest, EmbeddingsThatFailTwiceAreSaidWithADelay) {
  StartGateway({.num_vision = 2});
  for (const absl::Status& failure : {Expired(), Corrupt()}) {
    llm_[0]->SetScript(Failing(failure));
    const absl::Status status = Chat(ImageRequest()).status;
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ErrorReason(status), ErrorReason(failure));
    EXPECT_TRUE(RetryDelay(status).has_value());
    ExpectIdle();
  }
  EXPECT_EQ(llm_[0]->requests().size(), 4u);
}

TEST_F(ChatRetryTest, APromptIsTheSameWhenItIsTriedAgain) {
  StartGateway({.num_llm = 1});
  llm_[0]->SetNextScript(Failing(Draining()));
  EXPECT_TRUE(Chat(PromptRequest("once upon")).status.ok());
  ASSERT_EQ(llm_[0]->requests().size(), 2u);
  EXPECT_EQ(llm_[0]->requests().at(1).prompt(), "once upon");
  EXPECT_EQ(Retries(Backend::kLlm, absl::StatusCode::kUnavailable), 1);
  ExpectIdle();
}

TEST_F(ChatRetryTest, AnotherLlmReplicaTakesOver) {
  StartGateway({.num_llm = 2, .sockets = true});
  // Whoever is asked first.
  for (const auto& llm : llm_) {
    llm->SetScript({.hold_after = 0});
  }
  ChatAnswer answer;
  std::thread client([&] { answer = Chat(ImageRequest()); });
  WaitUntil([&] { return llm_[0]->num_held() + llm_[1]->num_held() == 1; });
  FakeLlmService& first = llm_[0]->num_held() == 1 ? *llm_[0] : *llm_[1];
  FakeLlmService& second = &first == llm_[0].get() ? *llm_[1] : *llm_[0];
  second.Release();
  first.Shutdown();
  client.join();
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_THAT(answer.token_ids(), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(second.requests().size(), 1u);
  EXPECT_EQ(Retries(Backend::kLlm, absl::StatusCode::kUnavailable), 1);
  ExpectIdle();
}

TEST_F(ChatRetryTest, ADrainingLlmReplicaIsLeftToItself) {
  StartGateway({.num_llm = 2});
  for (const auto& llm : llm_) llm->SetNextScript(Failing(Draining()));
  const absl::Status status = Chat(TextRequest()).status;
  EXPECT_EQ(ErrorReason(status), reason::kDraining);
  EXPECT_EQ(llm_[0]->requests().size(), 1u);
  EXPECT_EQ(llm_[1]->requests().size(), 1u);
  EXPECT_TRUE(Chat(TextRequest()).status.ok());
  ExpectIdle();
}

TEST_F(ChatRetryTest, ALostLlmServiceIsSaidWithoutItsAddress) {
  StartGateway({.sockets = true});
  llm_[0]->Shutdown();
  const absl::Status status = Chat(ImageRequest()).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
  EXPECT_EQ(ErrorMetadataOf(status)["service"], "llm");
  EXPECT_TRUE(RetryDelay(status).has_value());
  EXPECT_THAT(std::string(status.message()),
              testing::Not(testing::HasSubstr("127.0.0.1")));
  ExpectIdle();
}

TEST_F(ChatRetryTest, AfterTokensALostPeerIsSaidAndNothingComesTwice) {
  StartGateway({.sockets = true});
  llm_[0]->SetScript({.hold_after = 2});
  grpc::ClientContext context;
  std::atomic<int> num_chunks = 0;
  std::thread killer([&] {
    WaitUntil([&] { return llm_[0]->num_held() == 1 && num_chunks == 2; });
    llm_[0]->Shutdown();
  });
  const ChatAnswer answer =
      Chat(ImageRequest(), context, [&] { ++num_chunks; });
  killer.join();
  EXPECT_THAT(answer.token_ids(), ElementsAre(1, 2));
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(answer.status), reason::kPeerLost) << answer.status;
  EXPECT_EQ(ErrorMetadataOf(answer.status)["tokensSent"], "2");
  EXPECT_EQ(RetryDelay(answer.status), absl::nullopt);
  EXPECT_EQ(llm_[0]->requests().size(), 1u);
  ExpectIdle();
}

TEST_F(ChatRetryTest, AnUnaryCallHearsOfALostPeerToo) {
  StartGateway();
  llm_[0]->SetScript(Failing(absl::UnavailableError("gone"), 3));
  grpc::ClientContext context;
  v1::ChatResponse response;
  const absl::Status status =
      FromGrpcStatus(stub().ChatUnary(&context, TextRequest(), &response));
  EXPECT_EQ(ErrorReason(status), reason::kPeerLost);
  EXPECT_EQ(ErrorMetadataOf(status)["tokensSent"], "3");
  ExpectIdle();
}

TEST_F(ChatRetryTest, ACallThatTheServiceDroppedIsALostPeer) {
  StartGateway();
  llm_[0]->SetNextScript(Failing(absl::CancelledError("stopping")));
  EXPECT_TRUE(Chat(TextRequest()).status.ok());
  llm_[0]->SetNextScript(Failing(absl::CancelledError("stopping"), 1));
  EXPECT_EQ(ErrorReason(Chat(TextRequest()).status), reason::kPeerLost);
  ExpectIdle();
}

TEST_F(ChatRetryTest, AnAnswerWithoutItsLastChunkIsAnError) {
  StartGateway();
  FakeLlmService::Script script;
  script.finish_reason = v1::FINISH_REASON_UNSPECIFIED;
  llm_[0]->SetScript(script);
  const ChatAnswer answer = Chat(ImageRequest());
  EXPECT_EQ(answer.token_ids().size(), 4u);
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ErrorReason(answer.status), reason::kInternal);
  ExpectIdle();
}

TEST_F(ChatRetryTest, AWholeAnswerIsGoodWhateverComesAfter) {
  StartGateway();
  llm_[0]->SetScript(Failing(absl::UnavailableError("gone"), 4));
  const ChatAnswer answer = Chat(ImageRequest());
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(answer.chunks.back().finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(llm_[0]->requests().size(), 1u);
  ExpectIdle();
}

struct LlmError {
  std::string name;
  absl::Status status;
  friend std::ostream& operator<<(std::ostream& os, const LlmError& error) {
    return os << error.name;
  }
};
class ChatErrorTest : public ChatFixture,
                      public testing::WithParamInterface<LlmError> {};

TEST_P(ChatErrorTest, PassesOnWithoutAnotherTry) {
  StartGateway({.num_llm = 2});
  for (const auto& llm : llm_) llm->SetScript(Failing(GetParam().status));
  const absl::Status status = Chat(ImageRequest()).status;
  EXPECT_EQ(status.code(), GetParam().status.code());
  EXPECT_EQ(status.message(), GetParam().status.message());
  EXPECT_EQ(ErrorReason(status), ErrorReason(GetParam().status));
  EXPECT_EQ(ErrorMetadataOf(status), ErrorMetadataOf(GetParam().status));
  EXPECT_EQ(ErrorField(status), ErrorField(GetParam().status));
  EXPECT_EQ(RetryDelay(status), RetryDelay(GetParam().status));
  EXPECT_EQ(llm_[0]->requests().size() + llm_[1]->requests().size(), 1u);
  EXPECT_EQ(Requests(GetParam().status.code()), 1);
  ExpectIdle();
}

INSTANTIATE_TEST_SUITE_P(
    Llm, ChatErrorTest,
    testing::Values(
        LlmError{"Field", FieldError("sampling.top_p", "2 is outside (0, 1]")},
        LlmError{"Context", MakeError(absl::StatusCode::kInvalidArgument,
                                      reason::kContextLengthExceeded,
                                      "too long", {{"promptTokens", "9"}})},
        LlmError{"Overload",
                 RetryableError(absl::StatusCode::kResourceExhausted,
                                reason::kOverloaded, "full", absl::Seconds(3))},
        LlmError{"Memory", RetryableError(absl::StatusCode::kResourceExhausted,
                                          reason::kDeviceOutOfMemory, "full",
                                          absl::Seconds(1))},
        LlmError{"Nan", MakeError(absl::StatusCode::kInternal,
                                  reason::kNumericFault, "NaN")},
        LlmError{"Pairing", MakeError(absl::StatusCode::kFailedPrecondition,
                                      reason::kEmbeddingIncompatible, "other",
                                      {{"check", "dtype"}, {"image", "0"}})},
        LlmError{"Deadline", MakeError(absl::StatusCode::kDeadlineExceeded,
                                       reason::kSlowConsumer, "slow")}),
    [](const auto& info) { return info.param.name; });

TEST_F(ChatRetryTest, AnImageThatDoesNotDecodeIsNamedByItsField) {
  StartGateway();
  llm_[0]->SetScript(Failing(
      OfImage(absl::StatusCode::kInvalidArgument, reason::kImageTruncated, 1)));
  const absl::Status status =
      Chat(ImageRequest({{448, 448}, {448, 448}})).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kImageTruncated);
  EXPECT_EQ(ErrorField(status), "messages[0].content[1].image");
  ExpectIdle();
}

TEST_F(ChatRetryTest, AnImageThatDoesNotExistIsNotNamed) {
  StartGateway();
  for (const char* index : {"2", "-1", "x", "99999999999999999999"}) {
    llm_[0]->SetScript(
        Failing(MakeError(absl::StatusCode::kInvalidArgument,
                          reason::kImageInvalid, "bad", {{"image", index}})));
    const absl::Status status = Chat(ImageRequest()).status;
    EXPECT_EQ(ErrorReason(status), reason::kImageInvalid);
    EXPECT_EQ(ErrorField(status), "");
  }
  ExpectIdle();
}

}  // namespace
}  // namespace tandem
