#include "gateway/kserve_rpc.h"

#include <utility>

#include "common/status_macros.h"
#include "common/version.h"
#include "gateway/chat_session.h"
#include "gateway/kserve_stream.h"
#include "gateway/kserve_tensors.h"

namespace tandem {
namespace {

// Collects one answer.
class InferCollector final : public grpc::ServerUnaryReactor {
 public:
  InferCollector(ChatEngine& engine, std::unique_ptr<OpenCall> open,
                 KserveRequest request, ChatEngine::Call call,
                 inference::ModelInferResponse& response)
      : open_(std::move(open)),
        request_(std::move(request)),
        response_(response),
        session_(engine.NewSession(
            std::move(request_.chat), std::move(call),
            {.on_chunk =
                 [this](const v1::ChatChunk& chunk) {
                   AddChunk(chunk, whole_);
                   session_->Continue();
                 },
             .on_done = [this](const absl::Status& status) { End(status); }})) {
    session_->Start();
  }

  void OnCancel() override { session_->Cancel(); }

  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) {
    if (status.ok()) response_ = ToInferResponse(request_, whole_);
    Finish(open_->End(AtTensor(status)));
  }

  const std::unique_ptr<OpenCall> open_;
  KserveRequest request_;  // loses its chat
  inference::ModelInferResponse& response_;
  v1::ChatChunk whole_;
  const std::shared_ptr<ChatSession> session_;
};

}  // namespace

KserveRpc::KserveRpc(const RpcFrame& frame, const Health& health)
    : frame_(frame), health_(health) {}

std::unique_ptr<OpenCall> KserveRpc::Open(grpc::CallbackServerContext& context,
                                          Method method) const {
  return std::make_unique<OpenCall>(
      frame_, context,
      CallRecord::Labels{.api = Api::kKserve, .method = method});
}

bool KserveRpc::IsReady() const {
  const Health::State state = health_.Get();
  return state.live && state.ready && frame_.engine.is_ready();
}

absl::StatusOr<v1::Model> KserveRpc::Find(
    const grpc::CallbackServerContext& context, const std::string& name,
    const std::string& version) const {
  TANDEM_ASSIGN_OR_RETURN(const auto pass, Identify(frame_, context));
  TANDEM_ASSIGN_OR_RETURN(v1::Model model,
                          frame_.engine.GetModel(name, pass.get()));
  TANDEM_RETURN_IF_ERROR(CheckKserveVersion(model.id(), version));
  return model;
}

grpc::ServerUnaryReactor* KserveRpc::ServerLive(
    grpc::CallbackServerContext* context,
    const inference::ServerLiveRequest* /*request*/,
    inference::ServerLiveResponse* response) {
  response->set_live(health_.Get().live);
  return Open(*context, Method::kOther)->Answer(absl::OkStatus());
}

grpc::ServerUnaryReactor* KserveRpc::ServerReady(
    grpc::CallbackServerContext* context,
    const inference::ServerReadyRequest* /*request*/,
    inference::ServerReadyResponse* response) {
  response->set_ready(IsReady());
  return Open(*context, Method::kOther)->Answer(absl::OkStatus());
}

grpc::ServerUnaryReactor* KserveRpc::ModelReady(
    grpc::CallbackServerContext* context,
    const inference::ModelReadyRequest* request,
    inference::ModelReadyResponse* response) {
  response->set_ready(IsReady() &&
                      Find(*context, request->name(), request->version()).ok());
  return Open(*context, Method::kOther)->Answer(absl::OkStatus());
}

grpc::ServerUnaryReactor* KserveRpc::ServerMetadata(
    grpc::CallbackServerContext* context,
    const inference::ServerMetadataRequest* /*request*/,
    inference::ServerMetadataResponse* response) {
  response->set_name("tandem");
  response->set_version(Version());
  response->add_extensions("model_configuration");
  return Open(*context, Method::kOther)->Answer(absl::OkStatus());
}

grpc::ServerUnaryReactor* KserveRpc::ModelMetadata(
    grpc::CallbackServerContext* context,
    const inference::ModelMetadataRequest* request,
    inference::ModelMetadataResponse* response) {
  const absl::StatusOr<v1::Model> model =
      Find(*context, request->name(), request->version());
  if (model.ok()) *response = KserveMetadata(*model);
  return Open(*context, Method::kGetModel)->Answer(model.status());
}

grpc::ServerUnaryReactor* KserveRpc::ModelConfig(
    grpc::CallbackServerContext* context,
    const inference::ModelConfigRequest* request,
    inference::ModelConfigResponse* response) {
  const absl::StatusOr<v1::Model> model =
      Find(*context, request->name(), request->version());
  if (model.ok()) *response->mutable_config() = KserveConfig(*model);
  return Open(*context, Method::kGetModel)->Answer(model.status());
}

grpc::ServerUnaryReactor* KserveRpc::RepositoryIndex(
    grpc::CallbackServerContext* context,
    const inference::RepositoryIndexRequest* request,
    inference::RepositoryIndexResponse* response) {
  const absl::StatusOr<v1::Model> model = Find(*context, "", "");
  const bool ready = IsReady();
  if (model.ok() && (ready || !request->ready())) {
    auto& listed = *response->add_models();
    listed.set_name(model->id());
    listed.set_version(kKserveModelVersion);
    listed.set_state(ready ? "READY" : "UNAVAILABLE");
  }
  return Open(*context, Method::kListModels)->Answer(model.status());
}

grpc::ServerUnaryReactor* KserveRpc::ModelInfer(
    grpc::CallbackServerContext* context,
    const inference::ModelInferRequest* request,
    inference::ModelInferResponse* response) {
  auto open = Open(*context, Method::kChat);
  absl::StatusOr<ChatEngine::Call> call = open->Begin();
  if (!call.ok()) return open->Answer(call.status());
  // gRPC made the message for this call and does not look at it again.
  auto& taken = const_cast<inference::ModelInferRequest&>(*request);
  absl::StatusOr<KserveRequest> parsed = ParseInferRequest(
      std::move(taken), frame_.engine.options().limits.max_images);
  if (!parsed.ok()) return open->Answer(parsed.status());
  return new InferCollector(frame_.engine, std::move(open), *std::move(parsed),
                            *std::move(call), *response);
}

grpc::ServerBidiReactor<inference::ModelInferRequest,
                        inference::ModelStreamInferResponse>*
KserveRpc::ModelStreamInfer(grpc::CallbackServerContext* context) {
  return KserveStream::Start(frame_, *context);
}

}  // namespace tandem
