// How the two backends are asked.
#include <memory>

#include "common/channel.h"
#include "common/grpc_status.h"
#include "gateway/backend_pool.h"
#include "grpcpp/client_context.h"
#include "tandem/v1/llm.grpc.pb.h"
#include "tandem/v1/vision.grpc.pb.h"

namespace tandem {
namespace {

// Lives until the answer has come.
template <class Service, class Request, class Response>
struct Question {
  grpc::ClientContext context;
  std::unique_ptr<typename Service::Stub> stub;
  Request request;
  Response response;
};

BackendInfo Read(const v1::GetVisionInfoResponse& response) {
  BackendInfo info;
  info.service = response.info();
  info.load = static_cast<int>(response.queued_tiles());
  return info;
}

BackendInfo Read(const v1::GetLlmInfoResponse& response) {
  BackendInfo info;
  info.service = response.info();
  info.max_context_tokens = response.max_context_tokens();
  info.accepts_images = response.accepts_images();
  info.load = static_cast<int>(response.running_sequences() +
                               response.waiting_sequences());
  return info;
}

template <class Service, class Request, class Response>
BackendPool::Ask AskWith() {
  return [](std::shared_ptr<grpc::Channel> channel, absl::Time deadline,
            std::function<void(absl::StatusOr<BackendInfo>)> done) {
    auto question = std::make_shared<Question<Service, Request, Response>>();
    question->stub = Service::NewStub(std::move(channel));
    SetDeadline(deadline, question->context);
    question->stub->async()->GetInfo(
        &question->context, &question->request, &question->response,
        [question, done = std::move(done)](const grpc::Status& status) {
          if (status.ok()) {
            done(Read(question->response));
          } else {
            done(FromGrpcStatus(status));
          }
        });
  };
}

}  // namespace

BackendPool::Ask AskVision() {
  return AskWith<v1::VisionService, v1::GetVisionInfoRequest,
                 v1::GetVisionInfoResponse>();
}

BackendPool::Ask AskLlm() {
  return AskWith<v1::LlmService, v1::GetLlmInfoRequest,
                 v1::GetLlmInfoResponse>();
}

}  // namespace tandem
