#include "gateway/token_count.h"

#include <utility>

#include "common/status_macros.h"
#include "gateway/backend_status.h"

namespace tandem {

TokenCount::TokenCount(ChatEngine& engine, ChatEngine::Call call, Done done)
    : visit_(engine),
      engine_(engine),
      call_(std::move(call)),
      deadline_(engine.clock_, call_.deadline),
      pass_(std::move(call_.pass)),
      done_(std::move(done)) {}

void TokenCount::Start(const v1::CountTokensRequest& request) {
  if (absl::Status status = Prepare(request); !status.ok()) {
    Finish(std::move(status));
    return;
  }
  stub_->async()->CountTokens(
      &context_, &request_, &response_,
      [self = shared_from_this()](const grpc::Status& status) {
        self->OnCounted(status);
      });
}

absl::Status TokenCount::Prepare(const v1::CountTokensRequest& request) {
  TANDEM_RETURN_IF_ERROR(
      engine_.GetModel(request.model(), pass_.get()).status());
  TANDEM_ASSIGN_OR_RETURN(const Preprocessing preprocessing,
                          engine_.BackendPreprocessing());
  TANDEM_ASSIGN_OR_RETURN(
      const ChatPlan plan,
      PlanCount(request, preprocessing, engine_.options_.limits));
  TANDEM_ASSIGN_OR_RETURN(ticket_,
                          engine_.counts_.Enter(/*image_bytes=*/0, [] {}));
  TANDEM_ASSIGN_OR_RETURN(
      llm_, engine_.llm_.Pick(
                "", "", [](const BackendInfo&) { return absl::OkStatus(); }));
  if (plan.prompt != nullptr) request_.set_prompt(*plan.prompt);
  request_.set_return_token_ids(request.return_token_ids());
  for (const v1::PromptMessage& message : plan.messages) {
    *request_.add_messages() = message;
  }
  for (const PlannedImage& image : plan.images) {
    request_.add_image_tiles(image.grid.num_tiles());
  }
  deadline_.Set(context_);
  call_.SetHeaders(context_);
  stub_ = v1::LlmService::NewStub(llm_->channel());
  return absl::OkStatus();
}

void TokenCount::OnCounted(const grpc::Status& status) {
  absl::StatusOr<v1::CountTokensResponse> counted =
      absl::CancelledError("the caller went away");
  if (status.ok()) {
    counted.emplace();
    counted->set_prompt_tokens(response_.prompt_tokens());
    counted->set_image_tokens(response_.image_tokens());
    counted->mutable_token_ids()->Swap(response_.mutable_token_ids());
  } else if (!cancelled_) {
    if (IsTransportFailure(status)) engine_.llm_.MarkUnreachable(*llm_);
    counted = BackendStatus(Backend::kLlm, llm_->address(), call_, status);
  } else if (deadline_.IsWhyClientGaveUp()) {
    counted = absl::DeadlineExceededError("the deadline passed");
  }
  Finish(std::move(counted));
}

// Before `done`: its caller may come again at once.
void TokenCount::Finish(absl::StatusOr<v1::CountTokensResponse> counted) {
  llm_.Reset();
  ticket_ = nullptr;
  pass_ = nullptr;
  done_(std::move(counted));
}

void TokenCount::Cancel() {
  cancelled_ = true;
  context_.TryCancel();
}

}  // namespace tandem
