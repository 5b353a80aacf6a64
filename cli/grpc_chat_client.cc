#include "cli/grpc_chat_client.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "common/utf8.h"

namespace tandem {
namespace {

constexpr absl::Duration kAskTimeout = absl::Seconds(10);
// The longest that a gateway allows.
constexpr absl::Duration kAnswerTimeout = absl::Seconds(600);

void Append(v1::ChatChunk& chunk, ChatAnswer& answer) {
  answer.text += chunk.delta_text();
  answer.token_ids.insert(answer.token_ids.end(), chunk.token_ids().begin(),
                          chunk.token_ids().end());
  if (chunk.finish_reason() == v1::FINISH_REASON_UNSPECIFIED) return;
  answer.finish_reason = chunk.finish_reason();
  answer.usage = std::move(*chunk.mutable_usage());
  answer.timings = std::move(*chunk.mutable_timings_ms());
}

}  // namespace

GrpcChatClient::GrpcChatClient(const std::shared_ptr<grpc::Channel>& channel,
                               CallHeaders headers)
    : stub_(v1::ChatService::NewStub(channel)), headers_(std::move(headers)) {}

void GrpcChatClient::Prepare(absl::Duration timeout,
                             grpc::ClientContext& context) const {
  SetDeadline(absl::Now() + timeout, context);
  for (const auto& [name, value] : headers_) context.AddMetadata(name, value);
}

absl::StatusOr<v1::Model> GrpcChatClient::FindModel(const std::string& name) {
  grpc::ClientContext context;
  Prepare(kAskTimeout, context);
  if (!name.empty()) {
    if (const absl::Status status = CheckUtf8(name); !status.ok()) {
      return FieldError("model", status.message());
    }
    v1::GetModelRequest request;
    request.set_model(name);
    v1::GetModelResponse response;
    TANDEM_RETURN_IF_ERROR(
        FromGrpcStatus(stub_->GetModel(&context, request, &response)));
    return response.model();
  }
  v1::ListModelsResponse response;
  TANDEM_RETURN_IF_ERROR(
      FromGrpcStatus(stub_->ListModels(&context, {}, &response)));
  if (response.models_size() == 1) return response.models(0);
  return absl::InvalidArgumentError(
      absl::StrCat(response.models_size(),
                   " models are served; choose one with --served-name"));
}

absl::StatusOr<ChatAnswer> GrpcChatClient::Chat(const v1::ChatRequest& request,
                                                const OnText& on_text) {
  TANDEM_RETURN_IF_ERROR(CheckChatRequest(request));
  grpc::ClientContext context;
  Prepare(kAnswerTimeout, context);
  SetRequestId(AcceptRequestId(""), context);
  SetRunning(&context);
  const absl::Cleanup not_running = [this] { SetRunning(nullptr); };
  const auto reader = stub_->Chat(&context, request);
  ChatAnswer answer;
  v1::ChatChunk chunk;
  while (reader->Read(&chunk)) {
    if (!chunk.delta_text().empty()) on_text(chunk.delta_text());
    Append(chunk, answer);
  }
  TANDEM_RETURN_IF_ERROR(FromGrpcStatus(reader->Finish()));
  return answer;
}

void GrpcChatClient::SetRunning(grpc::ClientContext* context) {
  absl::MutexLock lock(&mutex_);
  running_ = context;
}

void GrpcChatClient::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (running_ != nullptr) running_->TryCancel();
}

}  // namespace tandem
