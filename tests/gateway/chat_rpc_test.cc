#include "gateway/chat_rpc.h"

#include <thread>

#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/request_id.h"
#include "tests/gateway/chat_fixture.h"

namespace tandem {
namespace {

class ChatRpcTest : public ChatFixture {};

TEST_F(ChatRpcTest, TellsOfItsModel) {
  Setup setup;
  setup.engine.served_name = "vlm";
  StartGateway(setup);
  grpc::ClientContext list_context;
  v1::ListModelsResponse list;
  ASSERT_TRUE(stub().ListModels(&list_context, {}, &list).ok());
  ASSERT_EQ(list.models_size(), 1);
  EXPECT_EQ(list.models(0).id(), "vlm");
  EXPECT_EQ(list.models(0).max_context_tokens(), 1024u);
  EXPECT_EQ(list.models(0).max_tiles(), 12u);
  EXPECT_EQ(list.models(0).tokens_per_tile(), 16u);
  EXPECT_TRUE(list.models(0).accepts_images());
  grpc::ClientContext get_context;
  v1::GetModelRequest request;
  request.set_model("vlm");
  v1::GetModelResponse model;
  ASSERT_TRUE(stub().GetModel(&get_context, request, &model).ok());
  EXPECT_EQ(model.model().SerializeAsString(),
            list.models(0).SerializeAsString());
  v1::ChatRequest chat = TextRequest();
  chat.set_model("vlm");
  EXPECT_EQ(Chat(chat).chunks.at(0).model(), "vlm");
}

TEST_F(ChatRpcTest, AModelItDoesNotServeIsNotFound) {
  StartGateway();
  grpc::ClientContext context;
  v1::GetModelRequest request;
  request.set_model("another");
  v1::GetModelResponse model;
  const absl::Status status =
      FromGrpcStatus(stub().GetModel(&context, request, &model));
  EXPECT_EQ(ErrorReason(status), reason::kModelNotFound);
  EXPECT_EQ(ErrorMetadataOf(status)["served"], "fake");
}

TEST_F(ChatRpcTest, TheModelTakesImagesWhereAVisionServiceIsConfigured) {
  StartGateway({.num_vision = 0});
  grpc::ClientContext context;
  v1::ListModelsResponse list;
  ASSERT_TRUE(stub().ListModels(&context, {}, &list).ok());
  EXPECT_FALSE(list.models(0).accepts_images());
}

TEST_F(ChatRpcTest, CountsTokensWithoutAVisionService) {
  StartGateway({.num_vision = 0});
  v1::CountTokensRequest request;
  *request.mutable_messages() = ImageRequest({{896, 448}}).messages();
  grpc::ClientContext context;
  v1::CountTokensResponse counted;
  const absl::Status status =
      FromGrpcStatus(stub().CountTokens(&context, request, &counted));
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(counted.image_tokens(), 3 * 16u);
  EXPECT_EQ(counted.prompt_tokens(), 3 * 16u + 11u);
}

TEST_F(ChatRpcTest, CountTokensSaysWhatIsWrong) {
  StartGateway({.sockets = true});
  const auto count = [&](const v1::CountTokensRequest& request) {
    grpc::ClientContext context;
    v1::CountTokensResponse counted;
    return FromGrpcStatus(stub().CountTokens(&context, request, &counted));
  };
  v1::CountTokensRequest request;
  EXPECT_EQ(ErrorField(count(request)), "messages");
  *request.mutable_messages() = TextRequest().messages();
  EXPECT_TRUE(count(request).ok());
  request.set_model("another");
  EXPECT_EQ(ErrorReason(count(request)), reason::kModelNotFound);
  request.clear_model();
  llm_[0]->Shutdown();
  const absl::Status lost = count(request);
  EXPECT_EQ(ErrorReason(lost), reason::kBackendUnavailable);
  EXPECT_TRUE(RetryDelay(lost).has_value());
}

TEST_F(ChatRpcTest, TakesTheRequestIdOfItsCaller) {
  StartGateway();
  grpc::ClientContext context;
  SetRequestId("mine-7", context);
  ASSERT_TRUE(Chat(TextRequest(), context).status.ok());
  EXPECT_EQ(llm_[0]->requests().at(0).request_id(), "mine-7");
}

TEST_F(ChatRpcTest, BeginsNothingForACallThatIsNearlyOver) {
  StartGateway();
  grpc::ClientContext context;
  SetDeadline(absl::Now() + absl::Milliseconds(20), context);
  const absl::Status status = Chat(TextRequest(), context).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(llm_[0]->requests().size(), 0u);
  ExpectIdle();
}

TEST_F(ChatRpcTest, TakesNoNewCallsWhileItDrains) {
  StartGateway();
  llm_[0]->SetScript({.hold_after = 1});
  ChatAnswer answer;
  std::thread client([&] { answer = Chat(TextRequest()); });
  WaitUntil([&] { return llm_[0]->num_held() == 1; });
  gateway_->grpc_service().gate->Close();
  EXPECT_EQ(ErrorReason(Chat(TextRequest()).status), reason::kDraining);
  llm_[0]->Release();
  client.join();
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(gateway_metrics_.admission_rejections[Rejection::kDraining].Value(),
            1);
  ExpectIdle();
}

}  // namespace
}  // namespace tandem
