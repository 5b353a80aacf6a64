#include "gateway/chat_rpc.h"

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "common/channel.h"
#include "common/grpc_status.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "gateway/chat_session.h"

namespace tandem {
namespace {

// gRPC made the message for this call and does not look at it again: the
// engine gets it whole, and frees its pictures when it has no more use for
// them.
v1::ChatRequest Take(const v1::ChatRequest& request) {
  return std::move(const_cast<v1::ChatRequest&>(request));
}

// Streams one answer: one write in flight, the next chunk asked for when it is
// out. Finish waits for a write that is still going.
class ChatStream final : public grpc::ServerWriteReactor<v1::ChatChunk> {
 public:
  explicit ChatStream(const absl::Status& refusal) {
    Finish(ToGrpcStatus(refusal));
  }
  // `context` is the call's own.
  ChatStream(ChatEngine& engine, grpc::CallbackServerContext& context,
             v1::ChatRequest request, ChatEngine::Call call)
      : context_(&context),
        session_(engine.NewSession(
            std::move(request), std::move(call),
            {.on_chunk =
                 [this](v1::ChatChunk chunk) { Write(std::move(chunk)); },
             .on_done = [this](absl::Status status) { End(status); }})) {
    session_->Start();
  }

  void OnWriteDone(bool ok) override {
    absl::optional<grpc::Status> end;
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      end = std::exchange(end_, absl::nullopt);
    }
    if (end.has_value()) {
      Finish(*end);
    } else if (ok) {
      session_->Continue();
    } else {
      session_->Cancel();
    }
  }

  void OnCancel() override {
    if (session_ != nullptr) session_->Cancel();
  }

  void OnDone() override { delete this; }

 private:
  void Write(v1::ChatChunk chunk) {
    chunk_ = std::move(chunk);
    {
      absl::MutexLock lock(&mutex_);
      writing_ = true;
    }
    StartWrite(&chunk_);
  }

  void End(const absl::Status& status) {
    bool writing = false;
    {
      absl::MutexLock lock(&mutex_);
      writing = writing_;
      if (writing) end_ = ToGrpcStatus(status);
    }
    if (!writing) {
      Finish(ToGrpcStatus(status));
    } else if (absl::IsDeadlineExceeded(status)) {
      // Nobody reads: the write would never be done, nor the status be heard.
      context_->TryCancel();
    }
  }

  grpc::CallbackServerContext* const context_ = nullptr;
  v1::ChatChunk chunk_;
  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  // Last: its events may come before the constructor is done.
  const std::shared_ptr<ChatSession> session_;
};

// Collects one answer.
class ChatCollector final : public grpc::ServerUnaryReactor {
 public:
  explicit ChatCollector(const absl::Status& refusal) {
    Finish(ToGrpcStatus(refusal));
  }
  ChatCollector(ChatEngine& engine, v1::ChatRequest request,
                ChatEngine::Call call, v1::ChatResponse& response)
      : response_(&response),
        session_(engine.NewSession(std::move(request), std::move(call),
                                   {.on_chunk =
                                        [this](v1::ChatChunk chunk) {
                                          Add(std::move(chunk));
                                          session_->Continue();
                                        },
                                    .on_done =
                                        [this](absl::Status status) {
                                          Finish(ToGrpcStatus(status));
                                        }})) {
    session_->Start();
  }

  void OnCancel() override {
    if (session_ != nullptr) session_->Cancel();
  }

  void OnDone() override { delete this; }

 private:
  void Add(v1::ChatChunk chunk) {
    response_->set_id(chunk.id());
    response_->set_model(chunk.model());
    response_->set_created(chunk.created());
    response_->set_system_fingerprint(chunk.system_fingerprint());
    response_->mutable_text()->append(chunk.delta_text());
    response_->mutable_token_ids()->MergeFrom(chunk.token_ids());
    response_->mutable_logprobs()->MergeFrom(chunk.logprobs());
    if (chunk.finish_reason() == v1::FINISH_REASON_UNSPECIFIED) return;
    response_->set_finish_reason(chunk.finish_reason());
    *response_->mutable_usage() = std::move(*chunk.mutable_usage());
    *response_->mutable_timings_ms() = std::move(*chunk.mutable_timings_ms());
  }

  v1::ChatResponse* const response_ = nullptr;
  const std::shared_ptr<ChatSession> session_;
};

}  // namespace

ChatRpc::ChatRpc(ChatEngine& engine, Clock& clock, const CallGate& gate,
                 GatewayMetrics& metrics)
    : engine_(engine), clock_(clock), gate_(gate), metrics_(metrics) {}

absl::StatusOr<ChatEngine::Call> ChatRpc::Begin(
    grpc::CallbackServerContext& context, Streaming streaming) const {
  ChatEngine::Call call;
  call.request_id = TakeRequestId(context);
  call.streaming = streaming;
  if (absl::Status status = gate_.Admit(); !status.ok()) {
    metrics_.admission_rejections[Rejection::kDraining].Increment();
    return status;
  }
  absl::StatusOr<absl::Time> deadline = RequestDeadline(context, clock_.Now());
  if (!deadline.ok()) {
    metrics_.admission_rejections[Rejection::kDeadline].Increment();
    return deadline.status();
  }
  call.deadline = *deadline;
  return call;
}

grpc::ServerUnaryReactor* ChatRpc::Answer(grpc::CallbackServerContext* context,
                                          Method method,
                                          const absl::Status& status) const {
  metrics_.CountRequest(Api::kGrpc, method, status.code());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

grpc::ServerWriteReactor<v1::ChatChunk>* ChatRpc::Chat(
    grpc::CallbackServerContext* context, const v1::ChatRequest* request) {
  absl::StatusOr<ChatEngine::Call> call = Begin(*context, Streaming::kYes);
  if (!call.ok()) {
    metrics_.CountRequest(Api::kGrpc, Method::kChat, call.status().code());
    return new ChatStream(call.status());
  }
  return new ChatStream(engine_, *context, Take(*request), *std::move(call));
}

grpc::ServerUnaryReactor* ChatRpc::ChatUnary(
    grpc::CallbackServerContext* context, const v1::ChatRequest* request,
    v1::ChatResponse* response) {
  absl::StatusOr<ChatEngine::Call> call = Begin(*context, Streaming::kNo);
  if (!call.ok()) {
    metrics_.CountRequest(Api::kGrpc, Method::kChat, call.status().code());
    return new ChatCollector(call.status());
  }
  return new ChatCollector(engine_, Take(*request), *std::move(call),
                           *response);
}

grpc::ServerUnaryReactor* ChatRpc::ListModels(
    grpc::CallbackServerContext* context,
    const v1::ListModelsRequest* /*request*/,
    v1::ListModelsResponse* response) {
  absl::StatusOr<v1::Model> model = engine_.GetModel("");
  if (model.ok()) *response->add_models() = *std::move(model);
  return Answer(context, Method::kListModels, model.status());
}

grpc::ServerUnaryReactor* ChatRpc::GetModel(
    grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
    v1::GetModelResponse* response) {
  absl::StatusOr<v1::Model> model = engine_.GetModel(request->model());
  if (model.ok()) *response->mutable_model() = *std::move(model);
  return Answer(context, Method::kGetModel, model.status());
}

grpc::ServerUnaryReactor* ChatRpc::CountTokens(
    grpc::CallbackServerContext* context, const v1::CountTokensRequest* request,
    v1::CountTokensResponse* response) {
  absl::StatusOr<ChatEngine::Call> call = Begin(*context, Streaming::kNo);
  if (!call.ok()) {
    return Answer(context, Method::kCountTokens, call.status());
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  engine_.CountTokens(*request, *std::move(call),
                      [this, reactor, response](
                          absl::StatusOr<v1::CountTokensResponse> counted) {
                        metrics_.CountRequest(Api::kGrpc, Method::kCountTokens,
                                              counted.status().code());
                        if (counted.ok()) *response = *std::move(counted);
                        reactor->Finish(ToGrpcStatus(counted.status()));
                      });
  return reactor;
}

}  // namespace tandem
