#include "llm_service/llm_rpc.h"

#include <memory>
#include <utility>

#include "common/channel.h"
#include "common/grpc_status.h"
#include "common/status_macros.h"
#include "llm_service/generate_call.h"

namespace tandem {

LlmRpc::LlmRpc(v1::GetLlmInfoResponse info, const Deps& deps)
    : info_(std::move(info)), deps_(deps) {}

grpc::ServerWriteReactor<v1::GenerateChunk>* LlmRpc::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  const std::shared_ptr<GenerateCall> call =
      GenerateCall::Make(deps_, [context] { context->TryCancel(); });
  const auto start = [&]() -> absl::Status {
    TANDEM_RETURN_IF_ERROR(deps_.gate.Admit());
    const absl::Time now = deps_.clock.Now();
    TANDEM_ASSIGN_OR_RETURN(const absl::Time deadline,
                            RequestDeadline(*context, now));
    const absl::Duration until = deps_.clock.Monotonic() + (deadline - now);
    return deps_.workers.Submit(
        [call, request, until] { call->Run(*request, until); });
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
    TANDEM_RETURN_IF_ERROR(deps_.gate.Admit());
    return deps_.workers.Submit([this, reactor, request, response] {
      auto counted = deps_.reader.Count(*request);
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
  *response = info_;
  // Of this service: in `tandem serve` the process waits for the gateway, which
  // waits for this answer.
  response->mutable_info()->set_ready(deps_.gate.Admit().ok());
  const LlmEngine::Load load = deps_.engine.load();
  response->set_running_sequences(load.running);
  response->set_waiting_sequences(load.waiting);
  response->set_max_waiting_sequences(load.max_waiting);
  response->set_free_kv_blocks(load.free_kv_blocks);
  response->set_kv_blocks(load.kv_blocks);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace tandem
