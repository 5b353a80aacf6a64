#include "gateway/chat_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/embedding_wire.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/log.h"
#include "common/process.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "grpcpp/client_context.h"
#include "tandem/v1/llm.grpc.pb.h"
#include "tandem/v1/vision.grpc.pb.h"

namespace tandem {
namespace {

constexpr absl::Duration kReleaseTimeout = absl::Seconds(5);

// Equal pictures hash alike in every gateway, so that they meet their cache.
std::string ImageKey(const std::string& data) {
  return absl::StrCat(data.size(), "-", absl::Hex(Crc32c(data)));
}

// Requests of one conversation meet their prefix.
std::string ConversationKey(const v1::ChatRequest& request) {
  if (!request.prompt_cache_key().empty()) return request.prompt_cache_key();
  return absl::StrCat(
      absl::Hex(Crc32c(request.messages(0).SerializeAsString())));
}

}  // namespace

// One try: its image references and its calls. Fields are written by the thread
// that makes the try; a call's own result by its callback, before the last of
// them reads all.
struct ChatSession::Attempt {
  struct Put {
    grpc::ClientContext context;
    BackendPool::Lease vision;
    std::unique_ptr<v1::VisionService::Stub> stub;
    v1::PutImageRequest request;
    v1::PutImageResponse response;
  };
  std::vector<std::unique_ptr<Put>> puts;
  // Guarded by the session's mutex.
  size_t num_pending = 0;
  absl::Status put_failure;

  BackendPool::Lease llm;
  grpc::ClientContext generate_context;
  std::unique_ptr<v1::LlmService::Stub> stub;
  GenerateCall* generate = nullptr;  // deletes itself after OnGenerateDone

  void Cancel() {
    for (const auto& put : puts) put->context.TryCancel();
    generate_context.TryCancel();
  }
};

// The stream of tokens. Reads one message when it is told to.
class ChatSession::GenerateCall final
    : public grpc::ClientReadReactor<v1::GenerateChunk> {
 public:
  GenerateCall(std::shared_ptr<ChatSession> session, AttemptPtr attempt,
               v1::GenerateRequest request)
      : session_(std::move(session)),
        attempt_(std::move(attempt)),
        request_(std::move(request)) {}

  void Start() {
    attempt_->stub->async()->Generate(&attempt_->generate_context, &request_,
                                      this);
    AddHold();  // Reads are started from outside of reactions.
    Read();
    StartCall();
  }

  // Asks for the next message unless one is asked for already.
  void Read() {
    if (!reading_.exchange(true)) StartRead(&chunk_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      RemoveHold();  // reading_ stays true: there is nothing more to read.
      return;
    }
    v1::GenerateChunk chunk = std::move(chunk_);
    reading_ = false;
    session_->OnChunk(std::move(chunk));
  }

  void OnDone(const grpc::Status& status) override {
    session_->OnGenerateDone(attempt_, FromGrpcStatus(status),
                             status.error_details().empty());
    delete this;
  }

 private:
  const std::shared_ptr<ChatSession> session_;
  const AttemptPtr attempt_;
  const v1::GenerateRequest request_;
  v1::GenerateChunk chunk_;
  std::atomic<bool> reading_ = false;
};

ChatSession::ChatSession(ChatEngine& engine, const v1::ChatRequest& request,
                         ChatEngine::Call call, ChatEngine::Events events)
    : engine_(engine),
      request_(request),
      call_(std::move(call)),
      events_(std::move(events)),
      id_(absl::StrCat("chatcmpl-", RandomHex(12))),
      created_(absl::ToUnixSeconds(engine.clock_.Now())),
      received_(engine.clock_.Monotonic()) {
  engine_.metrics_.requests_in_flight[call_.api].Increment();
}

void ChatSession::Start() {
  const absl::Status status = [&]() -> absl::Status {
    TANDEM_ASSIGN_OR_RETURN(const v1::Model model,
                            engine_.GetModel(request_.model()));
    model_ = model.id();
    system_fingerprint_ = absl::StrCat("tandem-", Version(), "-",
                                       model.fingerprint().substr(0, 12));
    if (request_.n() > 1) {
      return FieldError("n", absl::StrCat(request_.n(), " is outside [0, 1]"));
    }
    TANDEM_ASSIGN_OR_RETURN(const Preprocessing preprocessing,
                            engine_.BackendPreprocessing());
    TANDEM_ASSIGN_OR_RETURN(plan_, PlanChat(request_.messages(), preprocessing,
                                            engine_.options_.limits));
    auto ticket = engine_.admission_.Enter(
        plan_.image_bytes, [self = shared_from_this()] {
          {
            absl::MutexLock lock(&self->mutex_);
            self->admitted_ = self->engine_.clock_.Monotonic();
          }
          self->StartAttempt();
        });
    TANDEM_RETURN_IF_ERROR(ticket.status());
    absl::MutexLock lock(&mutex_);
    // Already over: the place is given back as the ticket goes.
    if (!finished_) ticket_ = *std::move(ticket);
    return absl::OkStatus();
  }();
  if (!status.ok()) Finish(status);
}

void ChatSession::StartAttempt() {
  auto attempt = std::make_shared<Attempt>();
  bool cancelled = false;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    cancelled = cancelled_;
    if (!cancelled) {
      attempt_ = attempt;
      ++num_attempts_;
    }
  }
  if (cancelled) {
    Finish(absl::CancelledError("the caller went away"));
  } else if (plan_.images.empty()) {
    StartGenerate(attempt);
  } else if (absl::Status status = PutImages(attempt); !status.ok()) {
    Finish(std::move(status));
  }
}

absl::Status ChatSession::PutImages(const AttemptPtr& attempt) {
  const absl::optional<BackendInfo> llm = engine_.llm_.AnyInfo();
  for (const PlannedImage& image : plan_.images) {
    auto put = std::make_unique<Attempt::Put>();
    TANDEM_ASSIGN_OR_RETURN(
        put->vision,
        engine_.vision_.Pick(
            ImageKey(*image.data), /*avoid=*/"", [&](const BackendInfo& info) {
              return CheckPairing(info.service, llm->service,
                                  engine_.options_.allow_shared_device);
            }));
    put->request.set_request_id(call_.request_id);
    put->request.set_data(*image.data);
    put->request.set_max_tiles(image.max_tiles);
    put->stub = v1::VisionService::NewStub(put->vision->channel());
    SetDeadline(call_.deadline, put->context);
    SetRequestId(call_.request_id, put->context);
    attempt->puts.push_back(std::move(put));
  }
  {
    absl::MutexLock lock(&mutex_);
    attempt->num_pending = attempt->puts.size();
  }
  for (size_t i = 0; i < attempt->puts.size(); ++i) {
    Attempt::Put& put = *attempt->puts[i];
    put.stub->async()->PutImage(
        &put.context, &put.request, &put.response,
        [self = shared_from_this(), attempt, i](const grpc::Status& status) {
          self->OnImagePut(attempt, i, FromGrpcStatus(status));
        });
  }
  return absl::OkStatus();
}

void ChatSession::OnImagePut(const AttemptPtr& attempt, size_t index,
                             const absl::Status& status) {
  Attempt::Put& put = *attempt->puts[index];
  put.request.clear_data();  // The bytes are the request's own from here on.
  if (absl::IsUnavailable(status)) {
    engine_.vision_.MarkUnreachable(*put.vision);
  }
  absl::Status failure;
  {
    absl::MutexLock lock(&mutex_);
    if (!status.ok() && attempt->put_failure.ok()) {
      attempt->put_failure = AtField(status, plan_.images[index].field);
    }
    if (--attempt->num_pending > 0) return;
    failure = attempt->put_failure;
  }
  if (failure.ok()) {
    StartGenerate(attempt);
  } else {
    AttemptFailed(attempt, failure);
  }
}

v1::GenerateRequest ChatSession::MakeGenerateRequest(
    const Attempt& attempt) const {
  v1::GenerateRequest request;
  request.set_request_id(call_.request_id);
  for (const v1::PromptMessage& message : plan_.messages) {
    *request.add_messages() = message;
  }
  for (const auto& put : attempt.puts) {
    *request.add_images() = put->response.image();
  }
  *request.mutable_sampling() = request_.sampling();
  return request;
}

void ChatSession::StartGenerate(const AttemptPtr& attempt) {
  auto llm = engine_.llm_.Pick(
      ConversationKey(request_), /*avoid=*/"", [&](const BackendInfo& info) {
        for (const auto& put : attempt->puts) {
          TANDEM_RETURN_IF_ERROR(
              CheckPairing(put->vision.info().service, info.service,
                           engine_.options_.allow_shared_device));
        }
        return absl::OkStatus();
      });
  if (!llm.ok()) {
    ReleaseImages(*attempt);
    Finish(llm.status());
    return;
  }
  attempt->llm = *std::move(llm);
  attempt->stub = v1::LlmService::NewStub(attempt->llm->channel());
  SetDeadline(call_.deadline, attempt->generate_context);
  SetRequestId(call_.request_id, attempt->generate_context);
  auto* call = new GenerateCall(shared_from_this(), attempt,
                                MakeGenerateRequest(*attempt));
  bool cancelled = false;
  {
    absl::MutexLock lock(&mutex_);
    cancelled = cancelled_;
    attempt->generate = call;
    generate_begin_ = engine_.clock_.Monotonic();
  }
  // A context that is cancelled before its call starts cancels that call.
  if (cancelled) attempt->generate_context.TryCancel();
  call->Start();
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
  bool cancelled = false;
  {
    absl::MutexLock lock(&mutex_);
    cancelled = cancelled_;
    num_tokens_ += out.token_ids_size();
    MeasureChunk(out.token_ids_size());
    if (out.token_ids_size() > 0 && ticket_ != nullptr) {
      ticket_->ReleaseImages();
    }
    if (chunk.finish_reason() != v1::FINISH_REASON_UNSPECIFIED) {
      has_last_chunk_ = true;
      out.set_finish_reason(chunk.finish_reason());
      *out.mutable_usage() = std::move(*chunk.mutable_usage());
      *out.mutable_timings_ms() = MeasureEnd(chunk.timings());
    }
  }
  if (cancelled) {
    Continue();
  } else {
    events_.on_chunk(std::move(out));
  }
}

void ChatSession::Continue() {
  absl::MutexLock lock(&mutex_);
  if (!finished_ && attempt_ != nullptr && attempt_->generate != nullptr) {
    attempt_->generate->Read();
  }
}

void ChatSession::Cancel() {
  bool waits_for_admission = false;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_ || cancelled_) return;
    cancelled_ = true;
    waits_for_admission = attempt_ == nullptr;
    if (attempt_ != nullptr) {
      attempt_->Cancel();
      // The end of the stream is only heard by who reads.
      if (attempt_->generate != nullptr) attempt_->generate->Read();
    }
  }
  if (waits_for_admission) {
    engine_.metrics_.cancelled_in_parse.Increment();
    Finish(absl::CancelledError("the caller went away"));
  }
}

void ChatSession::OnGenerateDone(const AttemptPtr& attempt,
                                 const absl::Status& status,
                                 bool transport_failed) {
  bool has_last_chunk = false;
  {
    absl::MutexLock lock(&mutex_);
    attempt->generate = nullptr;
    has_last_chunk = has_last_chunk_;
  }
  if (absl::IsUnavailable(status) && transport_failed) {
    engine_.llm_.MarkUnreachable(*attempt->llm);
  }
  if (status.ok() && !has_last_chunk) {
    AttemptFailed(attempt, absl::InternalError(
                               "the llm service ended without a last chunk"));
  } else if (status.ok()) {
    ReleaseImages(*attempt);
    Finish(absl::OkStatus());
  } else {
    AttemptFailed(attempt, status);
  }
}

void ChatSession::AttemptFailed(const AttemptPtr& attempt,
                                absl::Status status) {
  ReleaseImages(*attempt);
  bool retry = false;
  {
    absl::MutexLock lock(&mutex_);
    retry = MayRetry(status);
    if (!retry) status = Outward(std::move(status));
  }
  if (!retry) {
    Finish(std::move(status));
    return;
  }
  const Backend backend = attempt->llm ? Backend::kLlm : Backend::kVision;
  engine_.metrics_.backend_retries[backend][status.code()].Increment();
  LogWarning("trying once more",
             {{kLogRequestId, call_.request_id}, {"status", status}});
  StartAttempt();
}

// Once, while the client has nothing, for failures that another replica or a
// second encoding can mend.
bool ChatSession::MayRetry(const absl::Status& status) const {
  if (cancelled_ || num_attempts_ > 1 || first_chunk_ != absl::Duration()) {
    return false;
  }
  const std::string reason = ErrorReason(status);
  return absl::IsUnavailable(status) || reason == reason::kEmbeddingExpired ||
         reason == reason::kEmbeddingCorrupt;
}

// What the client is told instead of what happened between the services.
absl::Status ChatSession::Outward(absl::Status status) const {
  if (cancelled_) return absl::CancelledError("the caller went away");
  const std::string reason = ErrorReason(status);
  if (num_tokens_ > 0 && absl::IsUnavailable(status)) {
    return MakeError(
        absl::StatusCode::kUnavailable, reason::kPeerLost,
        absl::StrCat("the llm service was lost after ", num_tokens_, " tokens"),
        {{"tokensSent", absl::StrCat(num_tokens_)}});
  }
  if (reason == reason::kEmbeddingCorrupt ||
      reason == reason::kEmbeddingExpired) {
    return RetryableError(absl::StatusCode::kUnavailable, reason,
                          status.message(), absl::Seconds(1),
                          ErrorMetadataOf(status));
  }
  const ErrorMetadata metadata = ErrorMetadataOf(status);
  const auto image = metadata.find("image");
  int index = 0;
  if (absl::IsInvalidArgument(status) && image != metadata.end() &&
      absl::SimpleAtoi(image->second, &index) && index >= 0 &&
      index < static_cast<int>(plan_.images.size())) {
    return AtField(status, plan_.images[index].field);
  }
  return status;
}

void ChatSession::Finish(absl::Status status) {
  std::unique_ptr<Admission::Ticket> ticket;
  AttemptPtr attempt;
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
    finished_ = true;
    CountEnd(status);
    // Both may call into sessions as they go: outside of the lock.
    ticket = std::move(ticket_);
    attempt = std::move(attempt_);
  }
  ticket = nullptr;
  events_.on_done(std::move(status));
}

// Tells the vision replicas that the references are no longer needed. Nobody
// waits for it: they expire by themselves.
void ChatSession::ReleaseImages(const Attempt& attempt) const {
  struct Release {
    grpc::ClientContext context;
    std::unique_ptr<v1::VisionService::Stub> stub;
    v1::ReleaseImagesRequest request;
    v1::ReleaseImagesResponse response;
  };
  for (const auto& put : attempt.puts) {
    if (put->response.image().handle().empty()) continue;
    auto release = std::make_shared<Release>();
    release->request.add_handles(put->response.image().handle());
    release->stub = v1::VisionService::NewStub(put->vision->channel());
    SetDeadline(absl::Now() + kReleaseTimeout, release->context);
    release->stub->async()->ReleaseImages(&release->context, &release->request,
                                          &release->response,
                                          [release](const grpc::Status&) {});
  }
}

}  // namespace tandem
