#include "llm_service/generate_call.h"

#include <algorithm>
#include <utility>

#include "common/grpc_status.h"
#include "llm_service/engine_errors.h"

namespace tandem {
namespace {

double Milliseconds(absl::Duration duration) {
  return absl::ToDoubleMilliseconds(duration);
}

}  // namespace

std::shared_ptr<GenerateCall> GenerateCall::Make(const LlmRpc::Deps& deps,
                                                 std::function<void()> drop) {
  std::shared_ptr<GenerateCall> call(new GenerateCall(deps, std::move(drop)));
  call->self_ = call;
  return call;
}

GenerateCall::GenerateCall(const LlmRpc::Deps& deps, std::function<void()> drop)
    : deps_(deps), drop_(std::move(drop)), received_(deps.clock.Monotonic()) {}

void GenerateCall::Run(const v1::GenerateRequest& request,
                       absl::Duration deadline) {
  const absl::Status wanted = CheckWanted(deadline);
  if (!wanted.ok()) return Refuse(wanted);
  auto generation = deps_.reader.Read(request);
  if (!generation.ok()) return Refuse(generation.status());
  generation->received = received_;
  generation->deadline = deadline;
  logprobs_ = generation->sampling.num_logprobs >= 0;
  num_prompt_ = static_cast<uint32_t>(generation->prompt.token_ids.size());
  // The answer and this call hold each other until OnDone.
  auto answer = deps_.engine.Generate(*std::move(generation),
                                      [self = self_] { self->Pump(); });
  if (!answer.ok()) return Refuse(answer.status());
  Attach(*std::move(answer));
}

absl::Status GenerateCall::CheckWanted(absl::Duration deadline) {
  absl::MutexLock lock(&mutex_);
  if (deps_.clock.Monotonic() >= deadline) {
    return DeadlineError(Stage::kDecodeQueue);
  }
  return cancelled_ ? ReaderGoneError() : absl::OkStatus();
}

void GenerateCall::Refuse(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  FinishWith(status);
}

void GenerateCall::Attach(std::shared_ptr<Answer> answer) {
  {
    absl::MutexLock lock(&mutex_);
    answer_ = std::move(answer);
    if (cancelled_) answer_->Cancel();
  }
  Pump();
}

void GenerateCall::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok && !cancelled_) {
      cancelled_ = true;
      answer_->Cancel();
    }
    if (finish_next_.has_value() && !finished_) FinishWith(*finish_next_);
  }
  Pump();
}

void GenerateCall::OnCancel() {
  absl::MutexLock lock(&mutex_);
  if (std::exchange(cancelled_, true)) return;
  if (answer_ != nullptr) answer_->Cancel();
}

void GenerateCall::OnDone() {
  std::shared_ptr<GenerateCall> self = std::move(self_);
  absl::MutexLock lock(&mutex_);
  answer_.reset();
}

void GenerateCall::Pump() {
  absl::MutexLock lock(&mutex_);
  if (answer_ == nullptr || finished_) return;
  if (writing_) {
    // A write that nobody reads must not outlast the time for it. It would hold
    // up the status too, so the call is dropped; under the lock, which OnDone
    // takes, so that there still is one.
    const absl::Status failure = answer_->failure();
    if (!absl::IsDeadlineExceeded(failure)) return;
    FinishWith(failure);
    drop_();
    return;
  }
  WriteTokens(answer_->Read());
}

void GenerateCall::WriteTokens(Answer::Batch batch) {
  if (cancelled_) {
    if (batch.end.has_value()) FinishWith(ReaderGoneError());
    return;
  }
  chunk_.Clear();
  for (const AnswerToken& token : batch.tokens) AddToken(token);
  const bool any = !batch.tokens.empty();
  if (any && !first_write_.has_value()) {
    first_write_ = deps_.clock.Monotonic();
    chunk_.set_prompt_tokens(num_prompt_);
  }
  bool write = any;
  if (batch.end.has_value() && batch.end->status.ok()) {
    AddEnd(*batch.end);
    write = true;
  }
  if (!write && batch.end.has_value()) return FinishWith(batch.end->status);
  // Never StartWriteAndFinish: the status would overtake the chunk on a channel
  // within the process, and the chunk be lost, where the reader is not waiting.
  if (batch.end.has_value()) finish_next_ = std::move(batch.end->status);
  if (!write) return;
  writing_ = true;
  StartWrite(&chunk_);
}

void GenerateCall::AddToken(const AnswerToken& token) {
  chunk_.mutable_delta_text()->append(token.text);
  chunk_.add_token_ids(token.token_id);
  last_token_ = token.sampled_at;
  if (!logprobs_) return;
  const auto bytes = [this](int id) {
    return std::string(deps_.tokenizer.TokenBytes(id));
  };
  v1::TokenLogprob& logprob = *chunk_.add_logprobs();
  logprob.set_token_id(token.token_id);
  logprob.set_logprob(token.logprob);
  logprob.set_bytes(bytes(token.token_id));
  for (const auto& [id, value] : token.top) {
    v1::TokenLogprob::Alternative& alternative = *logprob.add_top();
    alternative.set_token_id(id);
    alternative.set_logprob(value);
    alternative.set_bytes(bytes(id));
  }
}

void GenerateCall::AddEnd(const AnswerEnd& end) {
  chunk_.mutable_delta_text()->append(end.text);
  chunk_.set_finish_reason(end.finish_reason);
  *chunk_.mutable_usage() = end.usage;
  v1::Timings& timings = *chunk_.mutable_timings();
  timings = end.timings;
  timings.set_time_to_first_token(Milliseconds(*first_write_ - received_));
  // From the first token's write, so that no time is counted twice.
  timings.set_decode(Milliseconds(
      std::max(last_token_ - *first_write_, absl::ZeroDuration())));
  timings.set_total(Milliseconds(deps_.clock.Monotonic() - received_));
}

void GenerateCall::FinishWith(const absl::Status& status) {
  finished_ = true;
  Finish(ToGrpcStatus(status));
}

}  // namespace tandem
