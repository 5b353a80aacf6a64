#include "gateway/chat_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "gateway/chat_session.h"
#include "gateway/token_count.h"

namespace tandem {
ChatEngine::ChatEngine(Options options, Clock& clock, BackendPool& vision,
                       BackendPool& llm, GatewayMetrics& metrics)
    : options_(std::move(options)),
      clock_(clock),
      vision_(vision),
      llm_(llm),
      metrics_(metrics),
      admission_(options_.admission, metrics),
      counts_({.max_in_flight = options_.max_counts, .max_queued = 0},
              metrics) {}

ChatEngine::~ChatEngine() {
  absl::MutexLock lock(&mutex_);
  const auto nobody = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return num_visits_ == 0;
  };
  mutex_.Await(absl::Condition(&nobody));
}

void ChatEngine::Call::SetHeaders(grpc::ClientContext& context) const {
  SetRequestId(request_id, context);
  SetTraceContext(trace, context);
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

uint32_t ChatEngine::MaxTiles(const BackendInfo& llm) const {
  const uint32_t max_tiles = llm.service.max_tiles();
  const absl::optional<BackendInfo> vision = vision_.AnyInfo();
  if (!vision.has_value() || vision->service.max_tiles() == 0) return max_tiles;
  return std::min(max_tiles, vision->service.max_tiles());
}

absl::StatusOr<Preprocessing> ChatEngine::BackendPreprocessing() const {
  TANDEM_ASSIGN_OR_RETURN(const BackendInfo info, LlmInfo());
  return Preprocessing{.profile = info.service.profile() == v1::PROFILE_HF
                                      ? PreprocessingProfile::kHf
                                      : PreprocessingProfile::kCustom,
                       .tile_size = static_cast<int>(info.service.tile_size()),
                       .max_tiles = static_cast<int>(MaxTiles(info))};
}

absl::StatusOr<v1::Model> ChatEngine::GetModel(absl::string_view name,
                                               const AccessPass* pass) const {
  if (pass != nullptr && !name.empty()) {
    TANDEM_RETURN_IF_ERROR(pass->CheckModel(name));
  }
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
  if (pass != nullptr) TANDEM_RETURN_IF_ERROR(pass->CheckModel(served));
  v1::Model model;
  model.set_id(served);
  model.set_max_context_tokens(info.max_context_tokens);
  model.set_accepts_images(info.accepts_images && vision_.has_targets());
  model.set_max_tiles(MaxTiles(info));
  model.set_tokens_per_tile(service.tokens_per_tile());
  model.set_fingerprint(service.fingerprint());
  model.set_profile(service.profile());
  model.set_dtype(service.dtype());
  return model;
}

absl::StatusOr<std::vector<v1::Model>> ChatEngine::ListModels(
    const AccessPass* pass) const {
  absl::StatusOr<v1::Model> model = GetModel("", pass);
  if (absl::IsPermissionDenied(model.status())) {
    return std::vector<v1::Model>();
  }
  if (!model.ok()) return model.status();
  return std::vector<v1::Model>({*std::move(model)});
}

std::shared_ptr<TokenCount> ChatEngine::NewTokenCount(
    Call call,
    std::function<void(absl::StatusOr<v1::CountTokensResponse>)> done) {
  return std::make_shared<TokenCount>(*this, std::move(call), std::move(done));
}

}  // namespace tandem
