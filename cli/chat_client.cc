#include "cli/chat_client.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_limits.h"
#include "common/grpc_status.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "common/utf8.h"

namespace tandem {
namespace {

constexpr absl::Duration kAskTimeout = absl::Seconds(10);
// The longest that a gateway allows.
constexpr absl::Duration kAnswerTimeout = absl::Seconds(600);

absl::Status CheckText(const std::string& field, const std::string& text) {
  const absl::Status status = CheckUtf8(text);
  return status.ok() ? status : FieldError(field, status.message());
}

// Protobuf would send broken text and the server could not say where it was.
absl::Status CheckRequest(const v1::ChatRequest& request) {
  TANDEM_RETURN_IF_ERROR(CheckText("model", request.model()));
  for (int i = 0; i < request.messages_size(); ++i) {
    const v1::ChatMessage& message = request.messages(i);
    for (int j = 0; j < message.content_size(); ++j) {
      TANDEM_RETURN_IF_ERROR(
          CheckText(absl::StrCat("messages[", i, "].content[", j, "].text"),
                    message.content(j).text()));
    }
  }
  const size_t bytes = request.ByteSizeLong();
  if (bytes <= kMaxMessageBytes) return absl::OkStatus();
  return FieldError(
      "messages",
      absl::StrCat("the conversation and its pictures take ", bytes,
                   " bytes; a request may have ", kMaxMessageBytes));
}

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

ChatClient::ChatClient(const std::shared_ptr<grpc::Channel>& channel,
                       std::string api_key)
    : stub_(v1::ChatService::NewStub(channel)), api_key_(std::move(api_key)) {}

absl::StatusOr<v1::Model> ChatClient::FindModel(const std::string& name) {
  grpc::ClientContext context;
  SetDeadline(absl::Now() + kAskTimeout, context);
  SetKey(context);
  if (!name.empty()) {
    TANDEM_RETURN_IF_ERROR(CheckText("model", name));
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

absl::StatusOr<ChatAnswer> ChatClient::Chat(const v1::ChatRequest& request,
                                            const OnText& on_text) {
  TANDEM_RETURN_IF_ERROR(CheckRequest(request));
  grpc::ClientContext context;
  SetDeadline(absl::Now() + kAnswerTimeout, context);
  SetKey(context);
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

void ChatClient::SetKey(grpc::ClientContext& context) const {
  if (api_key_.empty()) return;
  context.AddMetadata("authorization", absl::StrCat("Bearer ", api_key_));
}

void ChatClient::SetRunning(grpc::ClientContext* context) {
  absl::MutexLock lock(&mutex_);
  running_ = context;
}

void ChatClient::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (running_ != nullptr) running_->TryCancel();
}

}  // namespace tandem
