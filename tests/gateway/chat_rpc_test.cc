#include "gateway/chat_rpc.h"

#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/log.h"
#include "common/request_id.h"
#include "common/trace_context.h"
#include "gmock/gmock.h"
#include "tests/gateway/chat_fixture.h"

namespace tandem {
namespace {

using testing::HasSubstr;

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

TEST_F(ChatRpcTest, AnswersTheIdsOfAPromptOrOfMessages) {
  StartGateway({.num_vision = 0});
  const auto count = [&](const v1::CountTokensRequest& request) {
    grpc::ClientContext context;
    v1::CountTokensResponse counted;
    EXPECT_TRUE(stub().CountTokens(&context, request, &counted).ok());
    return counted;
  };
  v1::CountTokensRequest request;
  request.set_prompt("<img>");
  EXPECT_EQ(count(request).prompt_tokens(), 5u);
  EXPECT_EQ(count(request).token_ids_size(), 0);
  request.set_return_token_ids(true);
  EXPECT_THAT(count(request).token_ids(),
              testing::ElementsAre('<', 'i', 'm', 'g', '>'));
  request.set_prompt("");
  EXPECT_EQ(count(request).prompt_tokens(), 0u);

  request.clear_prompt();
  *request.mutable_messages() = ImageRequest({{896, 448}}).messages();
  std::vector<uint32_t> ids(3 * 16, FakeLlmService::kImageToken);
  for (const char c : std::string("what is it?")) ids.push_back(c);
  EXPECT_THAT(count(request).token_ids(), testing::ElementsAreArray(ids));
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
  request.set_prompt("beside messages");
  EXPECT_EQ(ErrorField(count(request)), "prompt");
  request.clear_prompt();
  request.set_model("another");
  EXPECT_EQ(ErrorReason(count(request)), reason::kModelNotFound);
  request.clear_model();
  llm_[0]->Shutdown();
  const absl::Status lost = count(request);
  EXPECT_EQ(ErrorReason(lost), reason::kBackendUnavailable);
  EXPECT_TRUE(RetryDelay(lost).has_value());
}

TEST_F(ChatRpcTest, ACountEndsWithItsCaller) {
  StartGateway();
  llm_[0]->HoldCounts();
  v1::CountTokensRequest request;
  *request.mutable_messages() = TextRequest().messages();
  grpc::ClientContext context;
  std::thread canceller([&] {
    WaitUntil([&] { return llm_[0]->num_held() == 1; });
    context.TryCancel();
  });
  v1::CountTokensResponse counted;
  EXPECT_EQ(stub().CountTokens(&context, request, &counted).error_code(),
            grpc::StatusCode::CANCELLED);
  canceller.join();
  WaitUntil([&] { return llm_[0]->num_held() == 0; });
  WaitUntil([&] {
    return Requests(absl::StatusCode::kCancelled, Method::kCountTokens) == 1;
  });
  ExpectIdle();
}

TEST_F(ChatRpcTest, CountsAreBounded) {
  Setup setup;
  setup.engine.max_counts = 1;
  StartGateway(setup);
  llm_[0]->HoldCounts();
  v1::CountTokensRequest request;
  *request.mutable_messages() = TextRequest().messages();
  const auto count = [&] {
    grpc::ClientContext context;
    v1::CountTokensResponse counted;
    return FromGrpcStatus(stub().CountTokens(&context, request, &counted));
  };
  std::thread first([&] { EXPECT_TRUE(count().ok()); });
  WaitUntil([&] { return llm_[0]->num_held() == 1; });
  const absl::Status refused = count();
  EXPECT_EQ(ErrorReason(refused), reason::kOverloaded);
  EXPECT_TRUE(RetryDelay(refused).has_value());
  EXPECT_TRUE(Chat(TextRequest()).status.ok());  // has places of its own
  llm_[0]->Release();
  first.join();
  EXPECT_TRUE(count().ok());
}

TEST_F(ChatRpcTest, ACountDoesNotDelayTheEnd) {
  StartGateway();
  llm_[0]->HoldCounts();
  v1::CountTokensRequest request;
  *request.mutable_messages() = TextRequest().messages();
  std::thread client([&] {
    grpc::ClientContext context;
    v1::CountTokensResponse counted;
    EXPECT_FALSE(stub().CountTokens(&context, request, &counted).ok());
  });
  WaitUntil([&] { return llm_[0]->num_held() == 1; });
  host_ = nullptr;  // cancels what is in flight, and waits for it
  client.join();
  gateway_ = nullptr;
}

TEST_F(ChatRpcTest, EveryMethodEchoesTheRequestIdOfItsCaller) {
  StartGateway();
  const auto echoed = [](const grpc::ClientContext& context) {
    const auto& metadata = context.GetServerInitialMetadata();
    const auto found = metadata.find(kRequestIdHeader);
    if (found == metadata.end()) return std::string();
    return std::string(found->second.data(), found->second.size());
  };
  const auto call = [&](const std::string& id, auto method) {
    grpc::ClientContext context;
    SetRequestId(id, context);
    EXPECT_TRUE(method(context).ok()) << id;
    EXPECT_EQ(echoed(context), id);
  };
  call("list", [&](grpc::ClientContext& context) {
    v1::ListModelsResponse response;
    return stub().ListModels(&context, {}, &response);
  });
  call("get", [&](grpc::ClientContext& context) {
    v1::GetModelResponse response;
    return stub().GetModel(&context, {}, &response);
  });
  call("count", [&](grpc::ClientContext& context) {
    v1::CountTokensRequest request;
    *request.mutable_messages() = TextRequest().messages();
    v1::CountTokensResponse response;
    return stub().CountTokens(&context, request, &response);
  });
  call("unary", [&](grpc::ClientContext& context) {
    v1::ChatResponse response;
    return stub().ChatUnary(&context, TextRequest(), &response);
  });
  call("stream", [&](grpc::ClientContext& context) {
    return Chat(TextRequest(), context).status;
  });
  EXPECT_EQ(llm_[0]->requests().at(0).request_id(), "unary");
  EXPECT_EQ(llm_[0]->requests().at(1).request_id(), "stream");
}

TEST_F(ChatRpcTest, ServicesAreCalledWithinTheTraceOfTheCaller) {
  StartGateway();
  grpc::ClientContext context;
  const std::string caller =
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  context.AddMetadata(kTraceParentHeader, caller);
  context.AddMetadata(kTraceStateHeader, "vendor=1");
  ASSERT_TRUE(Chat(ImageRequest(), context).status.ok());
  const auto [parent, state] = llm_[0]->traces().at(0);
  const auto span = ParseTraceParent(parent);
  ASSERT_TRUE(span.has_value()) << parent;
  EXPECT_EQ(span->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_NE(span->span_id, "00f067aa0ba902b7");
  EXPECT_EQ(span->flags, 1);
  EXPECT_EQ(state, "vendor=1");
  EXPECT_EQ(vision_[0]->trace_parents().at(0), parent);
}

TEST_F(ChatRpcTest, ACallerWithoutAValidTraceGetsANewOne) {
  StartGateway();
  grpc::ClientContext wrong, twice, none;
  wrong.AddMetadata(kTraceParentHeader, "00-what-01");
  for (int i = 0; i < 2; ++i) {
    twice.AddMetadata(
        kTraceParentHeader,
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  }
  std::set<std::string> trace_ids = {"4bf92f3577b34da6a3ce929d0e0e4736"};
  for (grpc::ClientContext* context : {&wrong, &twice, &none}) {
    ASSERT_TRUE(Chat(TextRequest(), *context).status.ok());
    const auto span = ParseTraceParent(llm_[0]->traces().back().first);
    ASSERT_TRUE(span.has_value());
    EXPECT_EQ(span->flags, 0);
    EXPECT_TRUE(trace_ids.insert(span->trace_id).second);
  }
}

TEST_F(ChatRpcTest, TheLogNamesTheTrace) {
  std::ostringstream log;
  ConfigureLog({.stream = &log});
  StartGateway();
  grpc::ClientContext context;
  context.AddMetadata(
      kTraceParentHeader,
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  ASSERT_TRUE(Chat(TextRequest(), context).status.ok());
  ConfigureLog({});
  EXPECT_THAT(log.str(),
              HasSubstr("trace_id=4bf92f3577b34da6a3ce929d0e0e4736"));
}

TEST_F(ChatRpcTest, EveryErrorNamesItsRequest) {
  StartGateway();
  grpc::ClientContext stream, unary, get, count;
  for (grpc::ClientContext* context : {&stream, &unary, &get, &count}) {
    SetRequestId("mine-7", *context);
  }
  v1::ChatResponse response;
  v1::GetModelRequest unknown;
  unknown.set_model("another");
  v1::GetModelResponse model;
  v1::CountTokensResponse counted;
  for (const absl::Status& status :
       {Chat(v1::ChatRequest(), stream).status,
        FromGrpcStatus(stub().ChatUnary(&unary, {}, &response)),
        FromGrpcStatus(stub().GetModel(&get, unknown, &model)),
        FromGrpcStatus(stub().CountTokens(&count, {}, &counted))}) {
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(ErrorRequestId(status), "mine-7") << status;
  }
  // One that is refused before anything is begun too.
  gateway_->grpc_services()[0].gate->Close();
  grpc::ClientContext late;
  SetRequestId("late-1", late);
  EXPECT_EQ(ErrorRequestId(Chat(TextRequest(), late).status), "late-1");
}

TEST_F(ChatRpcTest, EveryCallIsCountedAndTimed) {
  StartGateway();
  grpc::ClientContext list, count;
  v1::ListModelsResponse models;
  ASSERT_TRUE(stub().ListModels(&list, {}, &models).ok());
  v1::CountTokensRequest request;
  *request.mutable_messages() = TextRequest().messages();
  v1::CountTokensResponse counted;
  ASSERT_TRUE(stub().CountTokens(&count, request, &counted).ok());
  ASSERT_TRUE(Chat(TextRequest()).status.ok());
  gateway_->grpc_services()[0].gate->Close();
  EXPECT_FALSE(Chat(TextRequest()).status.ok());
  EXPECT_EQ(Requests(absl::StatusCode::kOk, Method::kListModels), 1);
  EXPECT_EQ(Requests(absl::StatusCode::kOk, Method::kCountTokens), 1);
  EXPECT_EQ(Requests(absl::StatusCode::kUnavailable), 1);
  const auto timed = [&](Streaming streaming) {
    return gateway_metrics_.request_duration_seconds[Api::kGrpc][streaming]
        .Collect()
        .histogram.sample_count;
  };
  EXPECT_EQ(timed(Streaming::kNo), 2u);
  EXPECT_EQ(timed(Streaming::kYes), 2u);
  ExpectIdle();
}

TEST_F(ChatRpcTest, HealthSaysWhetherPicturesAreTaken) {
  v1::ServiceInfo loading = FakeVisionInfo(format_);
  loading.set_ready(false);
  AddVision().SetInfo(loading);
  StartGateway();
  const GrpcHost::Service service = gateway_->grpc_services()[0];
  EXPECT_EQ(service.name + "/" + service.part, "tandem.v1.ChatService/vision");
  EXPECT_FALSE(service.part_ready());
  loading.set_ready(true);
  vision_[0]->SetInfo(loading);
  WaitUntil([&] { return service.part_ready(); });
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
  gateway_->grpc_services()[0].gate->Close();
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
