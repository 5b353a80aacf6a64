#pragma once

#include <string>

#include "common/clock.h"
#include "common/health.h"
#include "gateway/access.h"
#include "gateway/chat_engine.h"
#include "tandem/v1/gateway.grpc.pb.h"

namespace tandem {

// ChatService on the wire: messages to the engine and back, no decisions. Every
// call's key (metadata `authorization` or `x-api-key`) is asked for first.
class ChatRpc final : public v1::ChatService::CallbackService {
 public:
  // Everything borrowed must outlive the server that this is registered with.
  ChatRpc(ChatEngine& engine, AccessControl& access, Clock& clock,
          const CallGate& gate, GatewayMetrics& metrics);

  grpc::ServerWriteReactor<v1::ChatChunk>* Chat(
      grpc::CallbackServerContext* context,
      const v1::ChatRequest* request) override;
  grpc::ServerUnaryReactor* ChatUnary(grpc::CallbackServerContext* context,
                                      const v1::ChatRequest* request,
                                      v1::ChatResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(
      grpc::CallbackServerContext* context,
      const v1::ListModelsRequest* request,
      v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;
  grpc::ServerUnaryReactor* CountTokens(
      grpc::CallbackServerContext* context,
      const v1::CountTokensRequest* request,
      v1::CountTokensResponse* response) override;

 private:
  // Admits a call and tells what the engine must know of it.
  absl::StatusOr<ChatEngine::Call> Begin(
      const grpc::CallbackServerContext& context,
      const std::string& request_id) const;
  absl::StatusOr<std::shared_ptr<AccessPass>> Identify(
      const grpc::CallbackServerContext& context) const;

  ChatEngine& engine_;
  AccessControl& access_;
  Clock& clock_;
  const CallGate& gate_;
  GatewayMetrics& metrics_;
};

}  // namespace tandem
