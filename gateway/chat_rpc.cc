#include "gateway/chat_rpc.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/optional.h"
#include "common/status_macros.h"
#include "gateway/chat_session.h"
#include "gateway/token_count.h"

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
  explicit ChatStream(const grpc::Status& refusal) { Finish(refusal); }
  // `context` is the call's own.
  ChatStream(ChatEngine& engine, grpc::CallbackServerContext& context,
             std::unique_ptr<OpenCall> open, v1::ChatRequest request,
             ChatEngine::Call call)
      : context_(&context),
        open_(std::move(open)),
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
    const grpc::Status end = open_->End(status);
    {
      absl::MutexLock lock(&mutex_);
      if (writing_) {
        end_ = end;
        // Nobody reads: the write would never be done, nor the status be
        // heard. Under the lock: without it OnWriteDone may end the call, and
        // this with it.
        if (absl::IsDeadlineExceeded(status)) context_->TryCancel();
        return;
      }
    }
    Finish(end);
  }

  grpc::CallbackServerContext* const context_ = nullptr;
  const std::unique_ptr<OpenCall> open_;
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
  ChatCollector(ChatEngine& engine, std::unique_ptr<OpenCall> open,
                v1::ChatRequest request, ChatEngine::Call call,
                v1::ChatResponse& response)
      : open_(std::move(open)),
        response_(&response),
        session_(engine.NewSession(std::move(request), std::move(call),
                                   {.on_chunk =
                                        [this](v1::ChatChunk chunk) {
                                          Add(std::move(chunk));
                                          session_->Continue();
                                        },
                                    .on_done =
                                        [this](absl::Status status) {
                                          Finish(open_->End(status));
                                        }})) {
    session_->Start();
  }

  void OnCancel() override { session_->Cancel(); }

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

  const std::unique_ptr<OpenCall> open_;
  v1::ChatResponse* const response_;
  const std::shared_ptr<ChatSession> session_;
};

// Waits for one count.
class TokenCounter final : public grpc::ServerUnaryReactor {
 public:
  TokenCounter(ChatEngine& engine, std::unique_ptr<OpenCall> open,
               const v1::CountTokensRequest& request, ChatEngine::Call call,
               v1::CountTokensResponse& response)
      : open_(std::move(open)),
        count_(engine.NewTokenCount(
            std::move(call),
            [this, &response](absl::StatusOr<v1::CountTokensResponse> counted) {
              if (counted.ok()) response = *counted;
              Finish(open_->End(counted.status()));
            })) {
    count_->Start(request);
  }

  void OnCancel() override { count_->Cancel(); }

  void OnDone() override { delete this; }

 private:
  const std::unique_ptr<OpenCall> open_;
  const std::shared_ptr<TokenCount> count_;
};

}  // namespace

ChatRpc::ChatRpc(const RpcFrame& frame) : frame_(frame) {}

std::unique_ptr<OpenCall> ChatRpc::Open(grpc::CallbackServerContext& context,
                                        Method method,
                                        Streaming streaming) const {
  return std::make_unique<OpenCall>(
      frame_, context,
      CallRecord::Labels{
          .api = Api::kGrpc, .method = method, .streaming = streaming});
}

grpc::ServerWriteReactor<v1::ChatChunk>* ChatRpc::Chat(
    grpc::CallbackServerContext* context, const v1::ChatRequest* request) {
  auto open = Open(*context, Method::kChat, Streaming::kYes);
  absl::StatusOr<ChatEngine::Call> call = open->Begin();
  if (!call.ok()) return new ChatStream(open->End(call.status()));
  return new ChatStream(frame_.engine, *context, std::move(open),
                        Take(*request), *std::move(call));
}

grpc::ServerUnaryReactor* ChatRpc::ChatUnary(
    grpc::CallbackServerContext* context, const v1::ChatRequest* request,
    v1::ChatResponse* response) {
  auto open = Open(*context, Method::kChat);
  absl::StatusOr<ChatEngine::Call> call = open->Begin();
  if (!call.ok()) return open->Answer(call.status());
  return new ChatCollector(frame_.engine, std::move(open), Take(*request),
                           *std::move(call), *response);
}

grpc::ServerUnaryReactor* ChatRpc::ListModels(
    grpc::CallbackServerContext* context,
    const v1::ListModelsRequest* /*request*/,
    v1::ListModelsResponse* response) {
  const auto open = Open(*context, Method::kListModels);
  const absl::Status status = [&]() -> absl::Status {
    TANDEM_ASSIGN_OR_RETURN(const auto pass, Identify(frame_, *context));
    TANDEM_ASSIGN_OR_RETURN(const std::vector<v1::Model> models,
                            frame_.engine.ListModels(pass.get()));
    response->mutable_models()->Add(models.begin(), models.end());
    return absl::OkStatus();
  }();
  return open->Answer(status);
}

grpc::ServerUnaryReactor* ChatRpc::GetModel(
    grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
    v1::GetModelResponse* response) {
  const auto open = Open(*context, Method::kGetModel);
  const absl::Status status = [&]() -> absl::Status {
    TANDEM_ASSIGN_OR_RETURN(const auto pass, Identify(frame_, *context));
    TANDEM_ASSIGN_OR_RETURN(
        *response->mutable_model(),
        frame_.engine.GetModel(request->model(), pass.get()));
    return absl::OkStatus();
  }();
  return open->Answer(status);
}

grpc::ServerUnaryReactor* ChatRpc::CountTokens(
    grpc::CallbackServerContext* context, const v1::CountTokensRequest* request,
    v1::CountTokensResponse* response) {
  auto open = Open(*context, Method::kCountTokens);
  absl::StatusOr<ChatEngine::Call> call = open->Begin();
  if (!call.ok()) return open->Answer(call.status());
  return new TokenCounter(frame_.engine, std::move(open), *request,
                          *std::move(call), *response);
}

}  // namespace tandem
