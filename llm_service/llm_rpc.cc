#include "llm_service/llm_rpc.h"

#include <utility>

#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/status_macros.h"
#include "llm_service/generate_call.h"

namespace tandem {

LlmRpc::LlmRpc(v1::GetLlmInfoResponse info, CallGate& gate, WorkerPool& workers,
               Clock& clock)
    : gate_(gate), workers_(workers), clock_(clock), info_(std::move(info)) {}

void LlmRpc::Open(const Backend& backend, v1::GetLlmInfoResponse info) {
  absl::MutexLock lock(&mutex_);
  backend_.emplace(backend);
  info_ = std::move(info);
}

absl::StatusOr<const LlmRpc::Backend*> LlmRpc::Admit() const {
  TANDEM_RETURN_IF_ERROR(gate_.Admit());
  absl::MutexLock lock(&mutex_);
  if (!backend_.has_value()) {
    return RetryableError(
        absl::StatusCode::kUnavailable, reason::kBackendUnavailable,
        "the llm service is loading its weights", absl::Seconds(1));
  }
  return &*backend_;
}

grpc::ServerWriteReactor<v1::GenerateChunk>* LlmRpc::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  const std::shared_ptr<GenerateCall> call = GenerateCall::Make(clock_);
  const auto start = [&]() -> absl::Status {
    TANDEM_ASSIGN_OR_RETURN(const Backend* backend, Admit());
    const absl::Time now = clock_.Now();
    TANDEM_ASSIGN_OR_RETURN(const absl::Time deadline,
                            RequestDeadline(*context, now));
    const absl::Duration until = clock_.Monotonic() + (deadline - now);
    return workers_.Submit([call, request, backend, until] {
      call->Run(*request, *backend, until);
    });
  };
  const absl::Status status = start();
  if (!status.ok()) call->Refuse(status);
  return call.get();
}

grpc::ServerUnaryReactor* LlmRpc::CountTokens(
    grpc::CallbackServerContext* context,
    const v1::CountPromptTokensRequest* request,
    v1::CountPromptTokensResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto start = [&]() -> absl::Status {
    TANDEM_ASSIGN_OR_RETURN(const Backend* backend, Admit());
    return workers_.Submit([reactor, request, response, backend] {
      auto counted = backend->reader.Count(*request);
      if (counted.ok()) *response = *std::move(counted);
      reactor->Finish(ToGrpcStatus(counted.status()));
    });
  };
  const absl::Status status = start();
  if (!status.ok()) reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

grpc::ServerUnaryReactor* LlmRpc::GetInfo(grpc::CallbackServerContext* context,
                                          const v1::GetLlmInfoRequest*,
                                          v1::GetLlmInfoResponse* response) {
  {
    absl::MutexLock lock(&mutex_);
    *response = info_;
    response->mutable_info()->set_ready(backend_.has_value());
    if (backend_.has_value()) {
      const LlmEngine::Load load = backend_->engine.load();
      response->set_running_sequences(load.running);
      response->set_waiting_sequences(load.waiting);
      response->set_max_waiting_sequences(load.max_waiting);
      response->set_free_kv_blocks(load.free_kv_blocks);
      response->set_kv_blocks(load.kv_blocks);
    }
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace tandem
