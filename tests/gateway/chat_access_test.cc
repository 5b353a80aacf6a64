// Keys on the wire: what a caller gets with one, without, and with too many
// requests.
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/sha256.h"
#include "gmock/gmock.h"
#include "google/protobuf/wrappers.pb.h"
#include "grpcpp/impl/client_unary_call.h"
#include "tests/common/test_files.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/log_capture.h"
#include "tests/gateway/chat_fixture.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kKey[] = "k-1";

class ChatAccessTest : public ChatFixture {
 protected:
  // gRPC's deadlines are real.
  ChatAccessTest() { clock_.JumpCalendar(absl::Now() - clock_.Now()); }
  // One entry, "team-a", whose key is kKey.
  void WriteKeys(const std::string& more, const std::string& key = kKey) {
    folder_.Write("next",
                  absl::StrCat(R"({"keys": [{"id": "team-a", "sha256": ")",
                               Sha256Hex(key), "\"", more.empty() ? "" : ", ",
                               more, "}]}"));
    std::filesystem::rename(folder_.path() + "/next", path_);
  }
  void Start(const std::string& more = "") {
    WriteKeys(more);
    Setup setup;
    setup.access = {.keys_file = path_, .look_every = absl::InfiniteDuration()};
    setup.clock = &clock_;
    StartGateway(setup);
  }

  static void SetKey(grpc::ClientContext& context, const std::string& key) {
    if (!key.empty()) context.AddMetadata("authorization", "Bearer " + key);
  }
  ChatAnswer Ask(const v1::ChatRequest& request,
                 const std::string& key = kKey) {
    grpc::ClientContext context;
    SetKey(context, key);
    return Chat(request, context);
  }
  ChatAnswer Ask(const std::string& key = kKey) {
    return Ask(TextRequest(), key);
  }
  // One call of each other method.
  absl::Status AskUnary(const std::string& key) {
    grpc::ClientContext context;
    SetKey(context, key);
    v1::ChatResponse response;
    return FromGrpcStatus(stub().ChatUnary(&context, TextRequest(), &response));
  }
  absl::Status Count(const std::string& key) {
    grpc::ClientContext context;
    SetKey(context, key);
    v1::CountTokensRequest request;
    *request.mutable_messages() = TextRequest().messages();
    v1::CountTokensResponse response;
    return FromGrpcStatus(stub().CountTokens(&context, request, &response));
  }
  absl::Status GetModel(const std::string& key, const std::string& model = "") {
    grpc::ClientContext context;
    SetKey(context, key);
    v1::GetModelRequest request;
    request.set_model(model);
    v1::GetModelResponse response;
    return FromGrpcStatus(stub().GetModel(&context, request, &response));
  }
  absl::StatusOr<v1::ListModelsResponse> ListModels(const std::string& key) {
    grpc::ClientContext context;
    SetKey(context, key);
    v1::ListModelsResponse response;
    const grpc::Status status = stub().ListModels(&context, {}, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }
  std::vector<absl::Status> AllMethods(const std::string& key) {
    return {Ask(key).status, AskUnary(key), Count(key), GetModel(key),
            ListModels(key).status()};
  }

  const TempDirectory folder_;
  const std::string path_ = folder_.path() + "/keys.json";
  FakeClock clock_;
};

TEST_F(ChatAccessTest, EveryMethodAnswersWhoHasAKey) {
  Start();
  for (const absl::Status& status : AllMethods(kKey)) {
    EXPECT_TRUE(status.ok()) << status;
  }
  grpc::ClientContext context;
  context.AddMetadata("x-api-key", kKey);
  EXPECT_TRUE(Chat(TextRequest(), context).status.ok());
}

TEST_F(ChatAccessTest, NoMethodAnswersWithoutAKeyOrWithAWrongOne) {
  Start();
  for (const absl::Status& status : AllMethods("")) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
    EXPECT_EQ(ErrorReason(status), reason::kCredentialsMissing);
    EXPECT_NE(ErrorRequestId(status), "");
  }
  for (const absl::Status& status : AllMethods("k-wrong")) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
    EXPECT_EQ(ErrorReason(status), reason::kCredentialsInvalid);
    EXPECT_THAT(status.ToString(), Not(HasSubstr("k-wrong")));
  }
  EXPECT_TRUE(llm_[0]->requests().empty());
  EXPECT_EQ(Requests(absl::StatusCode::kUnauthenticated), 4);
}

TEST_F(ChatAccessTest, HealthNeedsNoKey) {
  Start();
  // HealthCheckRequest is a string in field 1, the response an enum there.
  google::protobuf::StringValue service;
  google::protobuf::UInt32Value health;
  const grpc::internal::RpcMethod check("/grpc.health.v1.Health/Check",
                                        grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::ClientContext context;
  const grpc::Status status = grpc::internal::BlockingUnaryCall(
      host_->InProcessChannel().get(), check, &context, service, &health);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_NE(health.value(), 0u);
}

TEST_F(ChatAccessTest, AKeyIsForItsModels) {
  Start(R"("models": ["other"])");
  v1::ChatRequest request = TextRequest();
  for (const char* model : {"", "fake", "third"}) {
    request.set_model(model);
    const absl::Status status = Ask(request).status;
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << model;
    EXPECT_EQ(ErrorReason(status), reason::kAccessDenied);
  }
  EXPECT_EQ(ErrorReason(Count(kKey)), reason::kAccessDenied);
  EXPECT_EQ(ErrorReason(GetModel(kKey)), reason::kAccessDenied);
  EXPECT_EQ(ErrorReason(GetModel(kKey, "other")), reason::kModelNotFound);
  EXPECT_EQ(ListModels(kKey)->models_size(), 0);
  WriteKeys(R"("models": ["other", "fake"])");
  gateway_->access().Look();
  EXPECT_TRUE(Ask().status.ok());
  EXPECT_EQ(ListModels(kKey)->models_size(), 1);
  EXPECT_TRUE(GetModel(kKey, "fake").ok());
}

TEST_F(ChatAccessTest, RequestsOverTheRateAreToldWhenToComeBack) {
  Start(R"("requests_per_minute": 3)");
  EXPECT_TRUE(Ask().status.ok());
  EXPECT_TRUE(AskUnary(kKey).ok());
  EXPECT_TRUE(Count(kKey).ok());
  const absl::Status status = Ask().status;
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kQuotaExceeded);
  EXPECT_EQ(RetryDelay(status), absl::Seconds(20));
  EXPECT_TRUE(GetModel(kKey).ok());  // makes no work
  EXPECT_TRUE(ListModels(kKey).ok());
  clock_.Advance(absl::Seconds(20));
  EXPECT_TRUE(Ask().status.ok());
  EXPECT_EQ(gateway_metrics_.admission_rejections[Rejection::kQuota].Value(),
            1);
  ExpectIdle();
}

TEST_F(ChatAccessTest, OnlySoManyAtATimeAndThePlaceIsFreeWithTheAnswer) {
  Start(R"("concurrent": 1, "requests_per_minute": 1000)");
  llm_[0]->SetScript({.hold_after = 1});
  ChatAnswer first;
  std::thread client([&] { first = Ask(); });
  WaitUntil([&] { return llm_[0]->num_held() == 1; });
  for (const absl::Status& status : {Ask().status, Count(kKey)}) {
    EXPECT_EQ(ErrorReason(status), reason::kQuotaExceeded);
    EXPECT_EQ(ErrorMetadataOf(status)["limit"], "concurrent requests");
    EXPECT_EQ(RetryDelay(status), absl::Seconds(1));
  }
  llm_[0]->Release();
  client.join();
  EXPECT_TRUE(first.status.ok());
  // Who has his answer may come again at once, however it ended.
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(Ask().status.ok()) << i;
    ASSERT_TRUE(AskUnary(kKey).ok()) << i;
    ASSERT_TRUE(Count(kKey).ok()) << i;
    ASSERT_EQ(ErrorReason(Ask(v1::ChatRequest()).status),
              reason::kFieldInvalid);
  }
  ExpectIdle();
}

TEST_F(ChatAccessTest, TokensAreChargedWhenTheAnswerIsThere) {
  // The fake counts a text's bytes and gives four tokens.
  Start(R"("tokens_per_minute": 60)");
  const ChatAnswer answer = Ask(TextRequest(std::string(100, 'a')));
  ASSERT_TRUE(answer.status.ok());
  const v1::Usage& usage = answer.chunks.back().usage();
  ASSERT_GT(usage.prompt_tokens() + usage.completion_tokens(), 60u);
  const absl::Status status = Ask().status;
  EXPECT_EQ(ErrorMetadataOf(status)["limit"], "tokens per minute");
  // One a second: what is missing, and one.
  EXPECT_EQ(RetryDelay(status), absl::Seconds(usage.prompt_tokens() +
                                              usage.completion_tokens() - 59));
  clock_.Advance(*RetryDelay(status));
  EXPECT_TRUE(Ask().status.ok());
}

TEST_F(ChatAccessTest, AnAnswerThatItsReaderCutsShortIsChargedToo) {
  Start(R"("tokens_per_minute": 60)");
  llm_[0]->SetScript({.hold_after = 2});
  grpc::ClientContext context;
  SetKey(context, kKey);
  std::thread canceller([&] {
    WaitUntil([&] { return llm_[0]->num_held() == 1; });
    context.TryCancel();
  });
  EXPECT_FALSE(Chat(TextRequest(std::string(400, 'a')), context).status.ok());
  canceller.join();
  ExpectIdle();
  // A hundred of the prompt, by its bytes, and those that came: two at most.
  const absl::Status status = Ask().status;
  EXPECT_EQ(ErrorMetadataOf(status)["limit"], "tokens per minute");
  EXPECT_GE(RetryDelay(status), absl::Seconds(100 - 59));
  EXPECT_LE(RetryDelay(status), absl::Seconds(102 - 59));
}

TEST_F(ChatAccessTest, WhatTheServiceFailsBeforeTheFirstTokenIsNotCharged) {
  Start(R"("tokens_per_minute": 60)");
  FakeLlmService::Script broken;
  broken.status = MakeError(absl::StatusCode::kInternal, reason::kNumericFault,
                            "not a number");
  llm_[0]->SetNextScript(broken);
  EXPECT_EQ(ErrorReason(Ask(TextRequest(std::string(400, 'a'))).status),
            reason::kNumericFault);
  EXPECT_TRUE(Ask().status.ok());
}

TEST_F(ChatAccessTest, AKeyIsReplacedWithoutARestart) {
  Start();
  EXPECT_TRUE(Ask().status.ok());
  WriteKeys("", "k-2");
  gateway_->access().Look();
  EXPECT_EQ(ErrorReason(Ask().status), reason::kCredentialsInvalid);
  EXPECT_TRUE(Ask("k-2").status.ok());
}

TEST_F(ChatAccessTest, TheLogHasTheKeysIdAlone) {
  Start();
  const LogCapture log;
  EXPECT_TRUE(Ask(TextRequest("a secret question")).status.ok());
  EXPECT_FALSE(Ask("k-wrong").status.ok());
  WaitUntil([&] { return log.Count("chat ended") == 1; });
  EXPECT_THAT(log.text(), HasSubstr("key_id=team-a"));
  for (const char* secret : {"k-1", "k-wrong", "secret question"}) {
    EXPECT_THAT(log.text(), Not(HasSubstr(secret)));
  }
  host_ = nullptr;  // with which the last one who logs is gone, before the log
  gateway_ = nullptr;
}

}  // namespace
}  // namespace tandem
