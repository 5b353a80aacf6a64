#include "gateway/chat_engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "gateway/backend_status.h"
#include "gateway/chat_session.h"
#include "grpcpp/client_context.h"
#include "tandem/v1/llm.grpc.pb.h"

namespace tandem {
namespace {

// A CountTokens call; lives until the answer has come.
struct CountCall {
  explicit CountCall(ChatEngine& engine) : visit(engine) {}
  const ChatEngine::Visit visit;
  grpc::ClientContext context;
  BackendPool::Lease llm;
  std::unique_ptr<v1::LlmService::Stub> stub;
  v1::CountPromptTokensRequest request;
  v1::CountPromptTokensResponse response;
};

absl::Status AnyReplica(const BackendInfo&) { return absl::OkStatus(); }

}  // namespace

ChatEngine::ChatEngine(Options options, Clock& clock, BackendPool& vision,
                       BackendPool& llm, GatewayMetrics& metrics)
    : options_(std::move(options)),
      clock_(clock),
      vision_(vision),
      llm_(llm),
      metrics_(metrics),
      admission_(options_.admission, metrics) {}

ChatEngine::~ChatEngine() {
  absl::MutexLock lock(&mutex_);
  const auto nobody = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return num_visits_ == 0;
  };
  mutex_.Await(absl::Condition(&nobody));
}

ChatEngine::Visit::Visit(ChatEngine& engine) : engine_(engine) {
  absl::MutexLock lock(&engine_.mutex_);
  ++engine_.num_visits_;
}

ChatEngine::Visit::~Visit() {
  absl::MutexLock lock(&engine_.mutex_);
  --engine_.num_visits_;
}

std::shared_ptr<ChatSession> ChatEngine::NewSession(v1::ChatRequest request,
                                                    Call call, Events events) {
  return std::make_shared<ChatSession>(*this, std::move(request),
                                       std::move(call), std::move(events));
}

absl::StatusOr<BackendInfo> ChatEngine::LlmInfo() const {
  absl::optional<BackendInfo> info = llm_.AnyInfo();
  if (info.has_value()) return *std::move(info);
  return RetryableError(absl::StatusCode::kUnavailable,
                        reason::kBackendUnavailable,
                        "no llm service has answered yet", absl::Seconds(1),
                        {{"service", "llm"}});
}

absl::StatusOr<Preprocessing> ChatEngine::BackendPreprocessing() const {
  TANDEM_ASSIGN_OR_RETURN(const BackendInfo info, LlmInfo());
  return Preprocessing{.profile = info.service.profile() == v1::PROFILE_HF
                                      ? PreprocessingProfile::kHf
                                      : PreprocessingProfile::kCustom,
                       .tile_size = static_cast<int>(info.service.tile_size()),
                       .max_tiles = static_cast<int>(info.service.max_tiles())};
}

absl::StatusOr<v1::Model> ChatEngine::GetModel(absl::string_view name) const {
  TANDEM_ASSIGN_OR_RETURN(const BackendInfo info, LlmInfo());
  const v1::ServiceInfo& service = info.service;
  const std::string& served =
      options_.served_name.empty() ? service.model() : options_.served_name;
  if (!name.empty() && name != served) {
    return MakeError(
        absl::StatusCode::kNotFound, reason::kModelNotFound,
        absl::StrCat("model \"", name.substr(0, 128),
                     "\" is not served here; \"", served, "\" is"),
        {{"model", std::string(name.substr(0, 128))}, {"served", served}});
  }
  v1::Model model;
  model.set_id(served);
  model.set_max_context_tokens(info.max_context_tokens);
  model.set_accepts_images(info.accepts_images && vision_.has_targets());
  model.set_max_tiles(service.max_tiles());
  model.set_tokens_per_tile(service.tokens_per_tile());
  model.set_fingerprint(service.fingerprint());
  model.set_profile(service.profile());
  model.set_dtype(service.dtype());
  return model;
}

void ChatEngine::CountTokens(
    const v1::CountTokensRequest& request, Call call,
    std::function<void(absl::StatusOr<v1::CountTokensResponse>)> done) {
  auto count = std::make_shared<CountCall>(*this);
  const absl::Status status = [&]() -> absl::Status {
    TANDEM_RETURN_IF_ERROR(GetModel(request.model()).status());
    TANDEM_ASSIGN_OR_RETURN(const Preprocessing preprocessing,
                            BackendPreprocessing());
    TANDEM_ASSIGN_OR_RETURN(
        const ChatPlan plan,
        PlanChat(request.messages(), preprocessing, options_.limits));
    TANDEM_ASSIGN_OR_RETURN(count->llm, llm_.Pick("", "", AnyReplica));
    for (const v1::PromptMessage& message : plan.messages) {
      *count->request.add_messages() = message;
    }
    for (const PlannedImage& image : plan.images) {
      count->request.add_image_tiles(image.grid.num_tiles());
    }
    return absl::OkStatus();
  }();
  if (!status.ok()) {
    done(status);
    return;
  }
  SetDeadline(call.deadline, count->context);
  SetRequestId(call.request_id, count->context);
  count->stub = v1::LlmService::NewStub(count->llm->channel());
  count->stub->async()->CountTokens(
      &count->context, &count->request, &count->response,
      [this, count, id = std::move(call.request_id),
       done = std::move(done)](const grpc::Status& grpc_status) {
        if (!grpc_status.ok()) {
          if (IsTransportFailure(grpc_status)) {
            llm_.MarkUnreachable(*count->llm);
          }
          done(BackendStatus(Backend::kLlm, count->llm->address(), id,
                             grpc_status));
          return;
        }
        v1::CountTokensResponse response;
        response.set_prompt_tokens(count->response.prompt_tokens());
        response.set_image_tokens(count->response.image_tokens());
        done(std::move(response));
      });
}

}  // namespace tandem
