#include "tests/e2e/embedded_tandem.h"

#include <utility>

#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/grpc_status.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "gtest/gtest.h"
#include "kernels/torch_version.h"
#include "tests/vision_service/golden.h"
#include "vision_service/png_encoder.h"

namespace tandem {
namespace {

// Ends a call that would hang; nothing here takes as long.
constexpr absl::Duration kHang = absl::Minutes(5);

}  // namespace

EmbeddedTandem::EmbeddedTandem(const std::string& model)
    : frame_(TorchBuildInfo()) {
  LogOptions log;
  log.level = LogLevel::kError;
  ConfigureLog(log);
  EmbeddedServer::Options options;
  options.model.model = TANDEM_TEST_DATA "/models/" + model;
  options.model.dtype = "float32";
  auto server = EmbeddedServer::Start(options, frame_.frame());
  if (!server.ok()) {
    LogError("no server", {{"status", server.status()}});
    std::abort();
  }
  server_ = *std::move(server);
  stub_ = v1::ChatService::NewStub(server_->Channel());
}

absl::StatusOr<v1::ChatResponse> EmbeddedTandem::Ask(
    const v1::ChatRequest& request) {
  grpc::ClientContext context;
  SetDeadline(absl::Now() + kHang, context);
  v1::ChatResponse response;
  TANDEM_RETURN_IF_ERROR(
      FromGrpcStatus(stub_->ChatUnary(&context, request, &response)));
  return response;
}

absl::StatusOr<v1::CountTokensResponse> EmbeddedTandem::Count(
    const v1::CountTokensRequest& request) {
  grpc::ClientContext context;
  SetDeadline(absl::Now() + kHang, context);
  v1::CountTokensResponse response;
  TANDEM_RETURN_IF_ERROR(
      FromGrpcStatus(stub_->CountTokens(&context, request, &response)));
  return response;
}

bool EmbeddedTandem::IsIdle() {
  const VisionEngine::Load vision = server_->vision_engine().load();
  const LlmEngine::Load llm = server_->llm_engine().load();
  return vision.handles == 0 && vision.streams == 0 && vision.idle &&
         llm.running == 0 && llm.waiting == 0 &&
         llm.free_kv_blocks == llm.kv_blocks;
}

void EmbeddedTandem::ExpectIdle() {
  const absl::Time end = absl::Now() + kHang;
  while (!IsIdle() && absl::Now() < end) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_TRUE(IsIdle());
}

v1::ChatRequest TextRequest(const std::string& text) {
  v1::ChatRequest request;
  v1::ChatMessage& message = *request.add_messages();
  message.set_role("user");
  message.add_content()->set_text(text);
  request.mutable_sampling()->set_max_tokens(4);
  request.mutable_sampling()->set_temperature(0);
  return request;
}

v1::ChatRequest ImageRequest(std::string image, const std::string& text) {
  v1::ChatRequest request = TextRequest(text);
  v1::ChatMessage& message = *request.mutable_messages(0);
  message.add_content()->mutable_image()->set_data(std::move(image));
  message.mutable_content()->SwapElements(0, 1);
  return request;
}

std::string SyntheticPng(int width, int height) {
  return EncodePng(SyntheticImage(width, height)).value();
}

}  // namespace tandem
