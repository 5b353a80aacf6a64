#include "gateway/kserve_stream.h"

#include <utility>
#include <vector>

#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "gateway/chat_session.h"

namespace tandem {
namespace {

// How soon a stream without work sees that the gate is closed, and how exactly
// the time of a write is measured.
constexpr absl::Duration kTimerPeriod = absl::Milliseconds(250);

void SetFinal(inference::ModelInferResponse& response) {
  (*response.mutable_parameters())["triton_final_response"].set_bool_param(
      true);
}

}  // namespace

// Everything but `session` and the counts is of one thread at a time.
struct KserveStream::Request {
  explicit Request(KserveStream& stream)
      : record(stream.frame_.metrics, stream.frame_.clock,
               {.api = Api::kKserve,
                .method = Method::kChat,
                .streaming = Streaming::kYes}) {}

  std::string model;
  KserveRequest parsed;
  v1::ChatChunk whole;  // where one response is to carry it all
  CallRecord record;
  // Under the stream's lock.
  std::shared_ptr<ChatSession> session;
  int num_outs = 0;
  bool ended = false;
};

KserveStream* KserveStream::Start(const RpcFrame& frame,
                                  grpc::CallbackServerContext& context) {
  const std::shared_ptr<KserveStream> stream(new KserveStream(frame, context));
  stream->self_ = stream;
  absl::MutexLock lock(&stream->mutex_);
  stream->SetTimer();
  stream->Proceed();
  return stream.get();
}

KserveStream::KserveStream(const RpcFrame& frame,
                           grpc::CallbackServerContext& context)
    : frame_(frame), context_(context), request_id_(TakeRequestId(context)) {}

void KserveStream::OnReadDone(bool ok) {
  std::shared_ptr<Request> request;
  {
    absl::MutexLock lock(&mutex_);
    if (!ok) {
      reading_ = false;
      reads_done_ = true;
      Proceed();
      return;
    }
    if (cancelled_ || finished_) return;
    request = std::make_shared<Request>(*this);
    requests_.insert(request);
  }
  if (absl::Status status = Begin(request); !status.ok()) {
    OnEnd(request, status);
  }
  absl::MutexLock lock(&mutex_);
  reading_ = false;
  Proceed();
}

absl::Status KserveStream::Begin(const std::shared_ptr<Request>& request) {
  request->parsed.id = incoming_.id();
  request->model = incoming_.model_name();
  inference::ModelInferRequest incoming = std::move(incoming_);
  incoming_.Clear();
  TANDEM_ASSIGN_OR_RETURN(ChatEngine::Call call,
                          BeginCall(frame_, context_, request_id_));
  TANDEM_ASSIGN_OR_RETURN(
      request->parsed,
      ParseInferRequest(std::move(incoming),
                        frame_.engine.options().limits.max_images));
  const std::shared_ptr<ChatSession> session = frame_.engine.NewSession(
      std::move(request->parsed.chat), std::move(call),
      {.on_chunk =
           [self = shared_from_this(), request](v1::ChatChunk chunk) {
             self->OnChunk(request, std::move(chunk));
           },
       .on_done =
           [self = shared_from_this(), request](const absl::Status& status) {
             self->OnEnd(request, AtTensor(status));
           }});
  {
    absl::MutexLock lock(&mutex_);
    if (cancelled_) return absl::CancelledError("the caller went away");
    request->session = session;
  }
  session->Start();
  return absl::OkStatus();
}

void KserveStream::OnChunk(const std::shared_ptr<Request>& request,
                           v1::ChatChunk chunk) {
  const bool last = chunk.finish_reason() != v1::FINISH_REASON_UNSPECIFIED;
  if (!request->parsed.stream) {
    AddChunk(chunk, request->whole);
    if (last) chunk = std::move(request->whole);
  }
  const bool writes = last || request->parsed.stream;
  std::shared_ptr<ChatSession> session;
  {
    absl::MutexLock lock(&mutex_);
    session = request->session;
    if (writes && !cancelled_) {
      Out out{.request = request, .response = {}, .continues = true};
      *out.response.mutable_infer_response() =
          ToInferResponse(request->parsed, chunk);
      if (last) SetFinal(*out.response.mutable_infer_response());
      Put(std::move(out));
      return;
    }
  }
  session->Continue();
}

void KserveStream::OnEnd(const std::shared_ptr<Request>& request,
                         const absl::Status& status) {
  request->record.End(status.code());
  absl::MutexLock lock(&mutex_);
  request->ended = true;
  if (!status.ok() && !cancelled_) {
    Out out{.request = request, .response = {}};
    out.response.set_error_message(
        status.ToString(absl::StatusToStringMode::kWithNoExtraData));
    inference::ModelInferResponse& response =
        *out.response.mutable_infer_response();
    response.set_id(request->parsed.id);
    response.set_model_name(request->model);
    (*response.mutable_parameters())["error_reason"].set_string_param(
        ErrorReason(status));
    SetFinal(response);
    Put(std::move(out));
  }
  LeaveIfOver(request);
  Proceed();
}

void KserveStream::Put(Out out) {
  ++out.request->num_outs;
  outbox_.push_back(std::move(out));
  if (!writing_) WriteNext();
}

void KserveStream::WriteNext() {
  writing_ = !outbox_.empty();
  if (!writing_) return;
  write_begin_ = frame_.clock.Monotonic();
  StartWrite(&outbox_.front().response);
}

void KserveStream::OnWriteDone(bool ok) {
  std::shared_ptr<ChatSession> session;
  {
    absl::MutexLock lock(&mutex_);
    const Out out = std::move(outbox_.front());
    outbox_.pop_front();
    --out.request->num_outs;
    if (out.continues) session = out.request->session;
    writing_ = false;
    LeaveIfOver(out.request);
    if (ok) WriteNext();
    Proceed();
  }
  // One that cannot be written means that the call is cancelled: OnCancel.
  if (ok && session != nullptr) session->Continue();
}

void KserveStream::LeaveIfOver(const std::shared_ptr<Request>& request) {
  if (!request->ended || request->num_outs > 0) return;
  request->session = nullptr;  // which holds the request
  requests_.erase(request);
}

void KserveStream::OnCancel() {
  std::vector<std::shared_ptr<ChatSession>> sessions;
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    // Nobody waits for them; the first may be with gRPC.
    while (outbox_.size() > (writing_ ? 1 : 0)) {
      const std::shared_ptr<Request> request = outbox_.back().request;
      outbox_.pop_back();
      --request->num_outs;
      LeaveIfOver(request);
    }
    for (const std::shared_ptr<Request>& request : requests_) {
      if (request->session != nullptr) sessions.push_back(request->session);
    }
    Proceed();
  }
  for (const std::shared_ptr<ChatSession>& session : sessions) {
    session->Cancel();
  }
}

void KserveStream::Proceed() {
  if (finished_) return;
  if (requests_.empty() && !writing_) {
    const absl::Status gate = frame_.gate.Admit();
    if (cancelled_) {
      End(absl::CancelledError("the caller went away"));
    } else if (reads_done_) {
      End(absl::OkStatus());
    } else if (!gate.ok()) {
      End(gate);
    }
  }
  if (finished_ || reading_ || reads_done_ || cancelled_) return;
  if (requests_.size() >= kMaxInFlight) return;
  reading_ = true;
  StartRead(&incoming_);
}

void KserveStream::End(const absl::Status& status) {
  finished_ = true;
  timer_ = nullptr;
  Finish(ToGrpcStatus(WithRequestId(status, request_id_)));
}

void KserveStream::SetTimer() {
  // A new one each time: an alarm that rings cannot be set.
  timer_ = std::make_unique<grpc::Alarm>();
  timer_->Set(absl::ToChronoTime(absl::Now() + kTimerPeriod),
              [weak = weak_from_this()](bool rings) {
                if (!rings) return;
                if (const auto self = weak.lock()) self->OnTimer();
              });
}

void KserveStream::OnTimer() {
  absl::MutexLock lock(&mutex_);
  if (finished_) return;
  if (writing_ && frame_.clock.Monotonic() - write_begin_ >=
                      frame_.engine.options().reader_timeout) {
    context_.TryCancel();
  }
  Proceed();
  if (!finished_) SetTimer();
}

void KserveStream::OnDone() {
  const std::shared_ptr<KserveStream> self = std::move(self_);
}

}  // namespace tandem
