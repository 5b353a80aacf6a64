#pragma once

#include <memory>

#include "gateway/rpc_call.h"
#include "tandem/v1/gateway.grpc.pb.h"

namespace tandem {

// ChatService on the wire: messages to the engine and back, no decisions. Every
// call's key (metadata `authorization` or `x-api-key`) is asked for first.
class ChatRpc final : public v1::ChatService::CallbackService {
 public:
  explicit ChatRpc(const RpcFrame& frame);

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
  std::unique_ptr<OpenCall> Open(grpc::CallbackServerContext& context,
                                 Method method,
                                 Streaming streaming = Streaming::kNo) const;

  const RpcFrame frame_;
};

}  // namespace tandem
