#pragma once

#include <memory>
#include <string>

#include "common/health.h"
#include "gateway/rpc_call.h"
#include "triton/grpc_service.grpc.pb.h"

namespace tandem {

// inference.GRPCInferenceService on the wire: tensors to chats and back, no
// decisions. What is not here is UNIMPLEMENTED: the gateway has neither a
// repository to load from nor shared memory, and counts no statistics that this
// protocol knows.
//
// ModelInfer answers in one response, whatever `stream` says. ModelStreamInfer
// takes any number of requests one after the other, of which 16 are worked on
// at a time and the next one waits unread. Responses of a request come in
// order, those of different ones as they come; each echoes its request's `id`.
// The last one of a request has the parameter triton_final_response, true. A
// request that fails ends with an error_message ("CODE: text"), an
// infer_response of its id, and the parameter error_reason, of
// common/errors.h; the stream goes on. Every request has a deadline of its
// own where the stream has none.
class KserveRpc final
    : public inference::GRPCInferenceService::CallbackService {
 public:
  // `health` outlives this, as does all of `frame`.
  KserveRpc(const RpcFrame& frame, const Health& health);

  grpc::ServerUnaryReactor* ServerLive(
      grpc::CallbackServerContext* context,
      const inference::ServerLiveRequest* request,
      inference::ServerLiveResponse* response) override;
  grpc::ServerUnaryReactor* ServerReady(
      grpc::CallbackServerContext* context,
      const inference::ServerReadyRequest* request,
      inference::ServerReadyResponse* response) override;
  // Not ready is what is not served, too.
  grpc::ServerUnaryReactor* ModelReady(
      grpc::CallbackServerContext* context,
      const inference::ModelReadyRequest* request,
      inference::ModelReadyResponse* response) override;
  grpc::ServerUnaryReactor* ServerMetadata(
      grpc::CallbackServerContext* context,
      const inference::ServerMetadataRequest* request,
      inference::ServerMetadataResponse* response) override;
  grpc::ServerUnaryReactor* ModelMetadata(
      grpc::CallbackServerContext* context,
      const inference::ModelMetadataRequest* request,
      inference::ModelMetadataResponse* response) override;
  grpc::ServerUnaryReactor* ModelConfig(
      grpc::CallbackServerContext* context,
      const inference::ModelConfigRequest* request,
      inference::ModelConfigResponse* response) override;
  grpc::ServerUnaryReactor* RepositoryIndex(
      grpc::CallbackServerContext* context,
      const inference::RepositoryIndexRequest* request,
      inference::RepositoryIndexResponse* response) override;
  grpc::ServerUnaryReactor* ModelInfer(
      grpc::CallbackServerContext* context,
      const inference::ModelInferRequest* request,
      inference::ModelInferResponse* response) override;
  grpc::ServerBidiReactor<inference::ModelInferRequest,
                          inference::ModelStreamInferResponse>*
  ModelStreamInfer(grpc::CallbackServerContext* context) override;

 private:
  std::unique_ptr<OpenCall> Open(grpc::CallbackServerContext& context,
                                 Method method) const;
  bool IsReady() const;
  // The model of that name, empty for any, in that version, for whom the
  // call's key lets see it.
  absl::StatusOr<v1::Model> Find(const grpc::CallbackServerContext& context,
                                 const std::string& name,
                                 const std::string& version) const;

  const RpcFrame frame_;
  const Health& health_;
};

}  // namespace tandem
