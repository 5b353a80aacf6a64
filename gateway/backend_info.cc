// How the two backends are asked, and whether their answers fit together.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/channel.h"
#include "common/errors.h"
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

template <class Value>
absl::Status Compare(absl::string_view what, const Value& vision,
                     const Value& llm) {
  if (vision == llm) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition, reason::kEmbeddingIncompatible,
      absl::StrCat("vision and llm service do not fit together: ", what, " is ",
                   vision, " there and ", llm, " here"),
      {{"check", std::string(what)}});
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

absl::Status CheckPairing(const v1::ServiceInfo& vision,
                          const v1::ServiceInfo& llm,
                          bool allow_shared_device) {
  for (const absl::Status& status :
       {Compare("fingerprint", vision.fingerprint(), llm.fingerprint()),
        Compare("profile", v1::Profile_Name(vision.profile()),
                v1::Profile_Name(llm.profile())),
        Compare("dtype", v1::DType_Name(vision.dtype()),
                v1::DType_Name(llm.dtype())),
        Compare("hidden_size", vision.hidden_size(), llm.hidden_size()),
        Compare("tokens_per_tile", vision.tokens_per_tile(),
                llm.tokens_per_tile()),
        Compare("tile_size", vision.tile_size(), llm.tile_size())}) {
    if (!status.ok()) return status;
  }
  if (allow_shared_device) return absl::OkStatus();
  for (const std::string& card : vision.card_ids()) {
    if (std::find(llm.card_ids().begin(), llm.card_ids().end(), card) !=
        llm.card_ids().end()) {
      return MakeError(
          absl::StatusCode::kFailedPrecondition, reason::kEmbeddingIncompatible,
          absl::StrCat("vision and llm service compute on the same card ", card,
                       "; --allow-shared-device permits it"),
          {{"check", "card_ids"}, {"card", card}});
    }
  }
  return absl::OkStatus();
}

}  // namespace tandem
