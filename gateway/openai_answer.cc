#include "gateway/openai_answer.h"

#include <utility>

#include "common/errors.h"
#include "common/request_id.h"
#include "gateway/chat_collect.h"
#include "gateway/chat_session.h"
#include "gateway/openai_error.h"

namespace tandem {
namespace {

constexpr char kKeepAlive[] = ": keep-alive\n\n";

HttpResponse StreamHead(const std::string& request_id) {
  return {.content_type = "text/event-stream; charset=utf-8",
          .headers = {{"Cache-Control", "no-cache"},
                      {"X-Accel-Buffering", "no"},
                      {"X-Content-Type-Options", "nosniff"},
                      {kRequestIdHeader, request_id}}};
}

HttpResponse AnswerResponse(std::string body, const std::string& request_id) {
  return {.content_type = "application/json",
          .body = std::move(body),
          .headers = {{"X-Content-Type-Options", "nosniff"},
                      {kRequestIdHeader, request_id}}};
}

}  // namespace

OpenAiAnswer::OpenAiAnswer(Options options, Clock& clock,
                           std::shared_ptr<HttpExchange> exchange,
                           std::unique_ptr<CallRecord> record)
    : options_(std::move(options)),
      clock_(clock),
      exchange_(std::move(exchange)),
      record_(std::move(record)),
      chunks_(options_.form),
      last_sent_(clock.Monotonic()) {}

void OpenAiAnswer::Start(ChatEngine& engine, v1::ChatRequest request,
                         ChatEngine::Call call) {
  const auto self = shared_from_this();
  const std::shared_ptr<ChatSession> session = engine.NewSession(
      std::move(request), std::move(call),
      {.on_chunk =
           [self](v1::ChatChunk chunk) { self->OnChunk(std::move(chunk)); },
       .on_done = [self](absl::Status status) { self->OnDone(status); }});
  {
    absl::MutexLock lock(&mutex_);
    session_ = session;
    if (options_.stream) SetTimer(options_.silence);
  }
  exchange_->Watch({.on_written = [self] { self->OnWritten(); },
                    .on_gone = [self] { self->OnGone(); }});
  session->Start();
}

void OpenAiAnswer::OnChunk(v1::ChatChunk chunk) {
  std::shared_ptr<ChatSession> session;
  {
    absl::MutexLock lock(&mutex_);
    if (options_.stream) {
      Send(chunks_.Event(chunk), /*is_chunk=*/true);
      return;
    }
    CollectChunk(std::move(chunk), whole_);
    session = session_;
  }
  if (session != nullptr) session->Continue();
}

void OpenAiAnswer::OnDone(const absl::Status& status) {
  std::shared_ptr<ChatSession> session;  // ends outside of the lock
  absl::MutexLock lock(&mutex_);
  session = std::exchange(session_, nullptr);
  done_ = true;
  record_->End(status.code());
  if (begun_ || (options_.stream && status.ok())) {
    EndStream(status);
  } else if (status.ok()) {
    exchange_->Respond(AnswerResponse(OpenAiAnswerJson(whole_, options_.form),
                                      options_.request_id));
  } else {
    exchange_->Respond(OpenAiErrorResponse(
        InOpenAiTerms(WithRequestId(status, options_.request_id)),
        options_.request_id));
  }
}

void OpenAiAnswer::EndStream(const absl::Status& status) {
  if (status.ok()) {
    for (std::string& event : chunks_.LastEvents()) {
      Send(std::move(event), /*is_chunk=*/false);
    }
  } else {
    Send(OpenAiErrorEvent(OpenAiErrorJson(InOpenAiTerms(status))),
         /*is_chunk=*/false);
    Send(kOpenAiDone, /*is_chunk=*/false);
  }
  exchange_->End();
}

void OpenAiAnswer::Send(std::string event, bool is_chunk) {
  if (!std::exchange(begun_, true)) {
    exchange_->Begin(StreamHead(options_.request_id));
  }
  in_flight_.push_back(is_chunk);
  exchange_->Write(std::move(event));
}

void OpenAiAnswer::OnWritten() {
  std::shared_ptr<ChatSession> session;
  {
    absl::MutexLock lock(&mutex_);
    last_sent_ = clock_.Monotonic();
    const bool was_chunk = in_flight_.front();
    in_flight_.pop_front();
    if (was_chunk) session = session_;
  }
  if (session != nullptr) session->Continue();
}

void OpenAiAnswer::OnGone() {
  std::shared_ptr<ChatSession> session;
  {
    absl::MutexLock lock(&mutex_);
    session = session_;
  }
  if (session != nullptr) session->Cancel();
}

void OpenAiAnswer::OnSilence() {
  absl::MutexLock lock(&mutex_);
  if (done_) return;
  const absl::Duration silent = clock_.Monotonic() - last_sent_;
  if (silent < options_.silence || !in_flight_.empty()) {
    SetTimer(std::max(options_.silence - silent, absl::Milliseconds(100)));
    return;
  }
  Send(kKeepAlive, /*is_chunk=*/false);
  SetTimer(options_.silence);
}

void OpenAiAnswer::SetTimer(absl::Duration delay) {
  exchange_->SetTimer(delay, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->OnSilence();
  });
}

}  // namespace tandem
