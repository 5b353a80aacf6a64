#include "gateway/kserve_rpc.h"

#include <string>
#include <thread>

#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/request_id.h"
#include "gmock/gmock.h"
#include "tests/fakes/bmp_header.h"
#include "tests/gateway/kserve_fixture.h"
#include "tests/gateway/kserve_request.h"

namespace tandem {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using testing::HasSubstr;

class KserveRpcTest : public KserveFixture {
 protected:
  // Calls a method of the stub that takes these messages.
  template <class Method, class Request, class Response>
  absl::Status Call(Method method, const Request& request, Response& response) {
    grpc::ClientContext context;
    return FromGrpcStatus(
        (kserve_.get()->*method)(&context, request, &response));
  }
  absl::Status Infer(const ModelInferRequest& request,
                     ModelInferResponse& response) {
    return Call(&Stub::ModelInfer, request, response);
  }
  absl::Status Infer(const ModelInferRequest& request) {
    ModelInferResponse response;
    return Infer(request, response);
  }
  bool ServerReady() {
    inference::ServerReadyResponse response;
    EXPECT_TRUE(
        Call(&Stub::ServerReady, inference::ServerReadyRequest(), response)
            .ok());
    return response.ready();
  }
  bool ModelReady(const std::string& name, const std::string& version = "") {
    inference::ModelReadyRequest request;
    request.set_name(name);
    request.set_version(version);
    inference::ModelReadyResponse response;
    EXPECT_TRUE(Call(&Stub::ModelReady, request, response).ok());
    return response.ready();
  }
};

TEST_F(KserveRpcTest, TellsOfTheServer) {
  Serve();
  inference::ServerLiveResponse live;
  ASSERT_TRUE(
      Call(&Stub::ServerLive, inference::ServerLiveRequest(), live).ok());
  EXPECT_TRUE(live.live());
  EXPECT_TRUE(ServerReady());
  inference::ServerMetadataResponse metadata;
  ASSERT_TRUE(
      Call(&Stub::ServerMetadata, inference::ServerMetadataRequest(), metadata)
          .ok());
  EXPECT_EQ(metadata.name(), "tandem");
  EXPECT_THAT(metadata.extensions(),
              testing::ElementsAre("model_configuration"));
}

TEST_F(KserveRpcTest, TellsOfItsModel) {
  Serve();
  inference::ModelMetadataRequest request;
  request.set_name("vlm");
  inference::ModelMetadataResponse metadata;
  ASSERT_TRUE(Call(&Stub::ModelMetadata, request, metadata).ok());
  EXPECT_EQ(metadata.name(), "vlm");
  EXPECT_EQ(metadata.inputs_size(), 5);
  inference::ModelConfigRequest of;
  of.set_name("vlm");
  of.set_version("1");
  inference::ModelConfigResponse config;
  ASSERT_TRUE(Call(&Stub::ModelConfig, of, config).ok());
  EXPECT_EQ(config.config().name(), "vlm");
  EXPECT_TRUE(config.config().model_transaction_policy().decoupled());
  inference::RepositoryIndexResponse index;
  ASSERT_TRUE(
      Call(&Stub::RepositoryIndex, inference::RepositoryIndexRequest(), index)
          .ok());
  ASSERT_EQ(index.models_size(), 1);
  EXPECT_EQ(index.models(0).name(), "vlm");
  EXPECT_EQ(index.models(0).state(), "READY");
}

TEST_F(KserveRpcTest, AModelItDoesNotServeIsNotFound) {
  Serve();
  inference::ModelMetadataRequest request;
  request.set_name("another");
  inference::ModelMetadataResponse metadata;
  EXPECT_EQ(ErrorReason(Call(&Stub::ModelMetadata, request, metadata)),
            reason::kModelNotFound);
  request.set_name("vlm");
  request.set_version("2");
  EXPECT_EQ(ErrorReason(Call(&Stub::ModelMetadata, request, metadata)),
            reason::kModelNotFound);
  inference::ModelConfigRequest of;
  of.set_name("another");
  inference::ModelConfigResponse config;
  EXPECT_EQ(ErrorReason(Call(&Stub::ModelConfig, of, config)),
            reason::kModelNotFound);
  ModelInferRequest infer = InferRequest();
  infer.set_model_name("another");
  EXPECT_EQ(ErrorReason(Infer(infer)), reason::kModelNotFound);
  EXPECT_TRUE(ModelReady("vlm"));
  EXPECT_TRUE(ModelReady("vlm", "1"));
  EXPECT_FALSE(ModelReady("vlm", "2"));
  EXPECT_FALSE(ModelReady("another"));
}

TEST_F(KserveRpcTest, IsNotReadyWithoutAnLlmServiceThatIs) {
  v1::GetLlmInfoResponse info = FakeLlmService::DefaultInfo();
  info.mutable_info()->set_ready(false);
  AddLlm().SetInfo(info);
  Serve();
  EXPECT_FALSE(ServerReady());
  EXPECT_FALSE(ModelReady("vlm"));
  inference::RepositoryIndexRequest request;
  inference::RepositoryIndexResponse index;
  ASSERT_TRUE(Call(&Stub::RepositoryIndex, request, index).ok());
  ASSERT_EQ(index.models_size(), 1);
  EXPECT_EQ(index.models(0).state(), "UNAVAILABLE");
  request.set_ready(true);
  index.Clear();
  ASSERT_TRUE(Call(&Stub::RepositoryIndex, request, index).ok());
  EXPECT_EQ(index.models_size(), 0);
  info.mutable_info()->set_ready(true);
  llm_[0]->SetInfo(info);
  WaitUntil([&] { return ServerReady(); });
  EXPECT_TRUE(ModelReady("vlm"));
}

TEST_F(KserveRpcTest, IsNotReadyWhileItStops) {
  Serve();
  health_.Drain();
  EXPECT_FALSE(ServerReady());
  EXPECT_FALSE(ModelReady("vlm"));
}

TEST_F(KserveRpcTest, AnswersInOneResponse) {
  Serve();
  for (const bool stream : {false, true}) {
    ModelInferRequest request = InferRequest("q-3");
    request.set_model_name("vlm");
    SetStream(stream, request);
    ModelInferResponse response;
    const absl::Status status = Infer(request, response);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(response.id(), "q-3");
    EXPECT_EQ(response.model_name(), "vlm");
    EXPECT_EQ(OutputText(response, "text_output"), "Hello, world.");
    EXPECT_EQ(OutputText(response, "finish_reason"), "stop");
    EXPECT_EQ(OutputTokens(response), 4);
  }
  ExpectIdle();
}

TEST_F(KserveRpcTest, PicturesAndSettingsReachTheServices) {
  Serve();
  ModelInferRequest request = InferRequest();
  AddImages({BmpHeader(896, 448), BmpHeader(448, 448)}, request);
  AddRaw("max_tokens", "INT32", 1, RawValue<int32_t>(20), request);
  AddRaw("temperature", "FP32", 1, RawValue(0.25f), request);
  const absl::Status status = Infer(request);
  ASSERT_TRUE(status.ok()) << status;
  const v1::GenerateRequest asked = llm_[0]->requests().at(0);
  EXPECT_EQ(asked.sampling().max_tokens(), 20u);
  EXPECT_EQ(asked.sampling().temperature(), 0.25f);
  ASSERT_EQ(asked.images_size(), 2);
  EXPECT_EQ(asked.images(0).num_tiles(), 3u);
  ASSERT_EQ(asked.messages_size(), 1);
  EXPECT_EQ(asked.messages(0).content(2).text(), "hello");
  ExpectIdle();
}

TEST_F(KserveRpcTest, ErrorsNameTheTensorWhereverTheyAreFound) {
  Serve();
  // In the request itself, in an image's header, by the llm service.
  ModelInferRequest request;
  EXPECT_EQ(ErrorField(Infer(request)), "text_input");
  request = InferRequest();
  AddImages({BmpHeader(448, 448), "no picture"}, request);
  const absl::Status image = Infer(request);
  EXPECT_EQ(ErrorField(image), "image[1]");
  EXPECT_EQ(ErrorReason(image), reason::kImageUnsupportedFormat);
  request = InferRequest();
  AddRaw("temperature", "FP32", 1, RawValue(3.f), request);
  const absl::Status temperature = Infer(request);
  EXPECT_EQ(ErrorField(temperature), "temperature");
  EXPECT_THAT(std::string(temperature.message()),
              HasSubstr("3 is outside [0, 2]"));
  EXPECT_EQ(KserveRequests(absl::StatusCode::kInvalidArgument), 3);
  ExpectIdle();
}

TEST_F(KserveRpcTest, AnInferenceEndsWithItsCaller) {
  Serve();
  llm_[0]->SetScript({.hold_after = 2});
  grpc::ClientContext context;
  std::thread canceller([&] {
    WaitUntil([&] { return llm_[0]->num_held() == 1; });
    context.TryCancel();
  });
  ModelInferResponse response;
  EXPECT_EQ(
      kserve_->ModelInfer(&context, InferRequest(), &response).error_code(),
      grpc::StatusCode::CANCELLED);
  canceller.join();
  WaitUntil([&] { return KserveRequests(absl::StatusCode::kCancelled) == 1; });
  ExpectIdle();
}

TEST_F(KserveRpcTest, RequestIdsAreEchoedAndNamedInErrors) {
  Serve();
  grpc::ClientContext context;
  SetRequestId("mine-7", context);
  ModelInferResponse response;
  const absl::Status status =
      FromGrpcStatus(kserve_->ModelInfer(&context, {}, &response));
  EXPECT_EQ(ErrorRequestId(status), "mine-7");
  const auto& metadata = context.GetServerInitialMetadata();
  const auto found = metadata.find(kRequestIdHeader);
  ASSERT_NE(found, metadata.end());
  EXPECT_EQ(found->second, "mine-7");
}

TEST_F(KserveRpcTest, CallsAreCountedAsKserves) {
  Serve();
  ASSERT_TRUE(Infer(InferRequest()).ok());
  ServerReady();
  EXPECT_EQ(KserveRequests(absl::StatusCode::kOk), 1);
  EXPECT_EQ(KserveRequests(absl::StatusCode::kOk, Method::kOther), 1);
  EXPECT_EQ(Requests(absl::StatusCode::kOk), 0);
}

TEST_F(KserveRpcTest, TakesNoNewCallsWhileItDrains) {
  Serve();
  for (GrpcHost::Service& service : gateway_->grpc_services()) {
    service.gate->Close();
  }
  EXPECT_EQ(ErrorReason(Infer(InferRequest())), reason::kDraining);
  EXPECT_EQ(llm_[0]->requests().size(), 0u);
}

TEST_F(KserveRpcTest, WhatIsNotBuiltIsUnimplemented) {
  Serve();
  inference::ModelStatisticsResponse statistics;
  EXPECT_EQ(Call(&Stub::ModelStatistics, inference::ModelStatisticsRequest(),
                 statistics)
                .code(),
            absl::StatusCode::kUnimplemented);
  inference::SystemSharedMemoryRegisterResponse memory;
  EXPECT_EQ(Call(&Stub::SystemSharedMemoryRegister,
                 inference::SystemSharedMemoryRegisterRequest(), memory)
                .code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace tandem
