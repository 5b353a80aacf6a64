#include "gateway/chat_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/process.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "gateway/token_charge.h"

namespace tandem {
namespace {

// Of a prompt that grows, what stays.
constexpr size_t kPromptHead = 256;

// Requests of one conversation meet their prefix: what comes up to the first
// answer stays as it grows, and so does a prompt's beginning.
std::string ConversationKey(const v1::ChatRequest& request) {
  if (!request.prompt_cache_key().empty()) {
    return AffinityKey(request.prompt_cache_key());
  }
  if (request.has_prompt()) {
    return AffinityKey(
        absl::string_view(request.prompt()).substr(0, kPromptHead));
  }
  std::string key;
  for (const v1::ChatMessage& message : request.messages()) {
    for (const v1::ContentPart& part : message.content()) {
      absl::StrAppend(
          &key, "/",
          AffinityKey(part.has_image() ? part.image().data() : part.text()));
    }
    if (message.role() == "user") break;
  }
  return key;
}

absl::Status CallerWentAway() {
  return absl::CancelledError("the caller went away");
}

absl::Status DeadlinePassed() {
  return MakeError(absl::StatusCode::kDeadlineExceeded,
                   reason::kDeadlineExceeded,
                   "the deadline passed before the answer was complete");
}

absl::Status SlowReader(absl::Duration timeout) {
  const std::string seconds = absl::StrCat(absl::ToDoubleSeconds(timeout));
  return MakeError(
      absl::StatusCode::kDeadlineExceeded, reason::kSlowConsumer,
      absl::StrCat("a chunk was not read within ", seconds, " seconds"),
      {{"seconds", seconds}});
}

}  // namespace

ChatSession::ChatSession(ChatEngine& engine, v1::ChatRequest request,
                         ChatEngine::Call call, ChatEngine::Events events)
    : visit_(engine),
      engine_(engine),
      events_(std::move(events)),
      call_(std::move(call)),
      id_(absl::StrCat(request.has_prompt() ? "cmpl-" : "chatcmpl-",
                       RandomHex(12))),
      created_(absl::ToUnixSeconds(engine.clock_.Now())),
      received_(engine.clock_.Monotonic()),
      deadline_(engine.clock_, call_.deadline),
      request_(std::move(request)),
      pass_(std::move(call_.pass)) {}

absl::Status ChatSession::Prepare(const AccessPass* pass) {
  TANDEM_ASSIGN_OR_RETURN(const v1::Model model,
                          engine_.GetModel(request_.model(), pass));
  model_ = model.id();
  system_fingerprint_ = absl::StrCat("tandem-", Version(), "-",
                                     model.fingerprint().substr(0, 12));
  if (request_.n() > 1) {
    return FieldError("n", absl::StrCat(request_.n(), " is outside [0, 1]"));
  }
  TANDEM_ASSIGN_OR_RETURN(const Preprocessing preprocessing,
                          engine_.BackendPreprocessing());
  TANDEM_ASSIGN_OR_RETURN(
      plan_, PlanChat(request_, preprocessing, engine_.options_.limits));
  conversation_key_ = ConversationKey(request_);
  prompt_estimate_ = EstimatePromptTokens(
      request_, int64_t{plan_.num_tiles()} * model.tokens_per_tile());
  return absl::OkStatus();
}

void ChatSession::Start() {
  std::shared_ptr<AccessPass> pass;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;  // cancelled before
    starting_ = true;
    pass = pass_;
  }
  absl::Status status = Prepare(pass.get());
  pass = nullptr;
  std::unique_ptr<Admission::Ticket> ticket;
  if (status.ok()) {
    auto entered = engine_.admission_.Enter(
        plan_.image_bytes, [self = shared_from_this()] { self->OnAdmitted(); });
    status = entered.status();
    if (entered.ok()) ticket = *std::move(entered);
  }
  bool admitted = false;
  {
    absl::MutexLock lock(&mutex_);
    starting_ = false;
    ticket_ = std::move(ticket);
    if (status.ok()) status = stop_;  // told to end meanwhile
    if (status.ok()) SetTimer();
    admitted = admitted_early_;
  }
  if (!status.ok()) {
    Finish(status);
  } else if (admitted) {
    StartAttempt();
  }
}

// Tries begin when Start has stored what they will use and give back.
void ChatSession::OnAdmitted() {
  {
    absl::MutexLock lock(&mutex_);
    if (starting_) {
      admitted_early_ = true;
      return;
    }
  }
  StartAttempt();
}

void ChatSession::StartAttempt() {
  std::shared_ptr<ChatAttempt> attempt;
  std::shared_ptr<ChatAttempt> last_one;  // ends outside of the lock
  absl::Status stop;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    if (num_attempts_ == 0) admitted_ = engine_.clock_.Monotonic();
    stop = stop_;
    if (stop.ok()) {
      ++num_attempts_;
      const ChatAttempt::Job job{.request = request_,
                                 .plan = plan_,
                                 .call = call_,
                                 .conversation_key = conversation_key_,
                                 .deadline = deadline_};
      attempt =
          std::make_shared<ChatAttempt>(engine_, job, avoid_, AttemptEvents());
      last_one = std::exchange(attempt_, attempt);
    }
  }
  if (attempt != nullptr) {
    attempt->Start();
  } else {
    Finish(stop);
  }
}

ChatAttempt::Events ChatSession::AttemptEvents() {
  const std::shared_ptr<ChatSession> self = shared_from_this();
  return {
      .on_generate =
          [self] {
            absl::MutexLock lock(&self->mutex_);
            self->generate_begin_ = self->engine_.clock_.Monotonic();
          },
      .on_chunk =
          [self](v1::GenerateChunk chunk) { self->OnChunk(std::move(chunk)); },
      .on_done =
          [self](ChatAttempt::End end) {
            self->OnAttemptDone(std::move(end));
          }};
}

void ChatSession::OnChunk(v1::GenerateChunk chunk) {
  v1::ChatChunk out;
  out.set_id(id_);
  out.set_model(model_);
  out.set_created(created_);
  out.set_system_fingerprint(system_fingerprint_);
  out.set_delta_text(std::move(*chunk.mutable_delta_text()));
  out.mutable_token_ids()->Swap(chunk.mutable_token_ids());
  out.mutable_logprobs()->Swap(chunk.mutable_logprobs());
  out.set_prompt_tokens(chunk.prompt_tokens());
  bool stopped = false;
  {
    absl::MutexLock lock(&mutex_);
    stopped = !stop_.ok();
    if (!stopped) {
      has_chunk_ = true;
      chunk_given_ = engine_.clock_.Monotonic();
      num_tokens_ += out.token_ids_size();
      MeasureChunk(out.token_ids_size());
      FreeImages();
      if (chunk.finish_reason() != v1::FINISH_REASON_UNSPECIFIED) {
        has_last_chunk_ = true;
        usage_ = int64_t{chunk.usage().prompt_tokens()} +
                 chunk.usage().completion_tokens();
        out.set_finish_reason(chunk.finish_reason());
        *out.mutable_usage() = std::move(*chunk.mutable_usage());
        *out.mutable_timings_ms() = MeasureLastChunk(chunk.timings());
      }
    }
  }
  if (stopped) {
    Continue();  // to the end
  } else {
    events_.on_chunk(std::move(out));
  }
}

// With the first chunk there will be no other try: nobody needs the pictures
// again.
void ChatSession::FreeImages() {
  if (!holds_images_) return;
  holds_images_ = false;
  for (v1::ChatMessage& message : *request_.mutable_messages()) {
    for (v1::ContentPart& part : *message.mutable_content()) {
      if (part.has_image())
        std::string().swap(*part.mutable_image()->mutable_data());
    }
  }
  ticket_->ReleaseImages();
}

void ChatSession::Continue() {
  std::shared_ptr<ChatAttempt> attempt;
  {
    absl::MutexLock lock(&mutex_);
    chunk_given_.reset();
    attempt = attempt_;
  }
  if (attempt != nullptr) attempt->Continue();
}

void ChatSession::Cancel() {
  Stop(deadline_.IsWhyClientGaveUp() ? DeadlinePassed() : CallerWentAway());
}

void ChatSession::Stop(absl::Status why) {
  std::shared_ptr<ChatAttempt> attempt;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_ || !stop_.ok()) return;
    stop_ = why;
    if (starting_) return;  // Start will see it.
    attempt = attempt_;
  }
  if (attempt != nullptr) {
    attempt->Cancel();
  } else {
    Finish(std::move(why));
  }
}

// Runs out at the deadline, or earlier where the client might be found to have
// stopped reading.
void ChatSession::SetTimer() {
  const absl::Duration given = chunk_given_.has_value()
                                   ? engine_.clock_.Monotonic() - *chunk_given_
                                   : absl::ZeroDuration();
  const absl::Time at =
      engine_.clock_.Now() +
      std::min(deadline_.Left(), engine_.options_.reader_timeout - given);
  // A new one each time: an alarm that rings cannot be set.
  timer_ = std::make_unique<grpc::Alarm>();
  timer_->Set(absl::ToChronoTime(at), [weak = weak_from_this()](bool rings) {
    if (!rings) return;
    if (const auto self = weak.lock()) self->OnTimer();
  });
}

void ChatSession::OnTimer() {
  absl::Status why;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_ || !stop_.ok()) return;
    const absl::Duration timeout = engine_.options_.reader_timeout;
    if (deadline_.Left() <= absl::ZeroDuration()) {
      why = DeadlinePassed();
    } else if (chunk_given_.has_value() &&
               engine_.clock_.Monotonic() - *chunk_given_ >= timeout) {
      why = SlowReader(timeout);
    } else {
      SetTimer();
      return;
    }
  }
  Stop(std::move(why));
}

void ChatSession::OnAttemptDone(ChatAttempt::End end) {
  bool retry = false;
  {
    absl::MutexLock lock(&mutex_);
    if (has_last_chunk_) {
      end.status =
          absl::OkStatus();  // The answer is whole, whatever came then.
    } else if (!stop_.ok()) {
      end.status = stop_;
    } else if (end.status.ok()) {
      end.status = MakeError(absl::StatusCode::kInternal, reason::kInternal,
                             "the llm service ended without a last chunk");
    } else if (MayRetry(end)) {
      retry = true;
      // Who lost an image, by a restart for one, takes it again.
      if (ErrorReason(end.status) != reason::kEmbeddingExpired) {
        (end.backend == Backend::kVision ? avoid_.vision : avoid_.llm) =
            end.address;
      }
    } else {
      end.status = Outward(std::move(end.status));
    }
  }
  if (!retry) {
    Finish(std::move(end.status));
    return;
  }
  engine_.metrics_.backend_retries[end.backend][end.status.code()].Increment();
  LogWarning("trying once more", {{kLogRequestId, call_.request_id},
                                  {kLogTraceId, call_.trace.trace_id},
                                  {"service", LabelOf(end.backend)},
                                  {"address", end.address},
                                  {"status", end.status}});
  StartAttempt();
}

// Once, while the client has nothing, for failures that another replica or a
// second encoding can mend.
bool ChatSession::MayRetry(const ChatAttempt::End& end) const {
  if (has_chunk_ || num_attempts_ > 1 || end.address.empty()) return false;
  const std::string reason = ErrorReason(end.status);
  return absl::IsUnavailable(end.status) ||
         reason == reason::kEmbeddingExpired ||
         reason == reason::kEmbeddingCorrupt;
}

// What the client is told instead of what happened between the services.
absl::Status ChatSession::Outward(absl::Status status) const {
  const std::string reason = ErrorReason(status);
  const ErrorMetadata metadata = ErrorMetadataOf(status);
  if (num_tokens_ > 0 && absl::IsUnavailable(status)) {
    return MakeError(
        absl::StatusCode::kUnavailable, reason::kPeerLost,
        absl::StrCat("the llm service was lost after ", num_tokens_, " tokens"),
        {{"tokensSent", absl::StrCat(num_tokens_)}});
  }
  if (reason == reason::kEmbeddingCorrupt ||
      reason == reason::kEmbeddingExpired) {
    return RetryableError(absl::StatusCode::kUnavailable, reason,
                          status.message(), absl::Seconds(1), metadata);
  }
  const auto image = metadata.find("image");
  size_t index = 0;
  if (absl::IsInvalidArgument(status) && image != metadata.end() &&
      absl::SimpleAtoi(image->second, &index) && index < plan_.images.size()) {
    return AtField(status, plan_.images[index].field);
  }
  return status;
}

// The usage where it is known. An answer that was cut short is charged the
// tokens that came and, unless the service failed before the first, the prompt.
int64_t ChatSession::TokensToCharge() const {
  if (usage_.has_value()) return *usage_;
  const bool was_worth =
      has_chunk_ || (generate_begin_.has_value() && !stop_.ok());
  return was_worth ? prompt_estimate_ + num_tokens_ : 0;
}

void ChatSession::Finish(absl::Status status) {
  // on_done may let go of this, and with it of the engine.
  const std::shared_ptr<ChatSession> self = shared_from_this();
  const absl::Duration end = engine_.clock_.Monotonic();
  std::unique_ptr<grpc::Alarm> timer;
  std::unique_ptr<Admission::Ticket> ticket;
  std::shared_ptr<ChatAttempt> attempt;
  std::shared_ptr<AccessPass> pass;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    finished_ = true;
    pass = std::move(pass_);
    if (pass != nullptr) pass->Charge(TokensToCharge());
    // They call elsewhere as they go: outside of the lock.
    timer = std::move(timer_);
    ticket = std::move(ticket_);
    attempt = std::move(attempt_);
  }
  timer = nullptr;
  attempt = nullptr;
  // Before on_done: its caller may come again at once. Who waited for the place
  // begins after it, as the ticket goes.
  if (ticket != nullptr) ticket->GiveBack();
  CountEnd(status, end, pass.get());
  pass = nullptr;
  events_.on_done(std::move(status));
}

}  // namespace tandem
