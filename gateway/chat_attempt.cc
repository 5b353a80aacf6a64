#include "gateway/chat_attempt.h"

#include <atomic>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/channel.h"
#include "common/embedding_wire.h"
#include "common/errors.h"
#include "common/pairing.h"
#include "common/status_macros.h"
#include "gateway/backend_status.h"
#include "tandem/v1/vision.grpc.pb.h"

namespace tandem {
namespace {

constexpr absl::Duration kReleaseTimeout = absl::Seconds(5);

// One ReleaseImages call; lives until it is over.
struct Release {
  explicit Release(ChatEngine& engine) : visit(engine) {}
  const ChatEngine::Visit visit;
  grpc::ClientContext context;
  std::unique_ptr<v1::VisionService::Stub> stub;
  v1::ReleaseImagesRequest request;
  v1::ReleaseImagesResponse response;
};

absl::Status Cancelled() {
  return absl::CancelledError("the try was given up");
}

}  // namespace

std::string AffinityKey(absl::string_view bytes) {
  return absl::StrCat(bytes.size(), "-", absl::Hex(Crc32c(bytes)));
}

// A PutImage call. Its callback reads what it wrote.
struct ChatAttempt::Put {
  std::string* bytes = nullptr;  // where they belong: in the job's request
  grpc::ClientContext context;
  BackendPool::Lease vision;
  std::unique_ptr<v1::VisionService::Stub> stub;
  v1::PutImageRequest request;
  v1::PutImageResponse response;
};

// The stream of tokens. Reads one message when it is told to.
class ChatAttempt::GenerateCall final
    : public grpc::ClientReadReactor<v1::GenerateChunk> {
 public:
  GenerateCall(std::shared_ptr<ChatAttempt> attempt,
               v1::GenerateRequest request)
      : attempt_(std::move(attempt)), request_(std::move(request)) {}

  // gRPC calls back from its own threads only, never from in here.
  void Start() {
    attempt_->stub_->async()->Generate(&attempt_->context_, &request_, this);
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
    attempt_->LeaveVision();
    attempt_->events_.on_chunk(std::move(chunk));
  }

  // Comes after the last OnReadDone has returned.
  void OnDone(const grpc::Status& status) override {
    attempt_->OnGenerateDone(status);
    delete this;
  }

 private:
  const std::shared_ptr<ChatAttempt> attempt_;
  const v1::GenerateRequest request_;
  v1::GenerateChunk chunk_;
  std::atomic<bool> reading_ = false;
};

ChatAttempt::ChatAttempt(ChatEngine& engine, const Job& job, Avoid avoid,
                         Events events)
    : visit_(engine),
      engine_(engine),
      job_(job),
      avoid_(std::move(avoid)),
      events_(std::move(events)) {}

ChatAttempt::~ChatAttempt() = default;

void ChatAttempt::Start() {
  Backend backend = Backend::kLlm;
  if (absl::Status status = PickReplicas(backend); !status.ok()) {
    Finish({.status = std::move(status), .backend = backend, .address = ""});
  } else if (puts_.empty()) {
    Generate();
  } else {
    PutImages();
  }
}

// The llm replica first, among those that some vision replica fits: so images
// are not put for nothing, and only where their reader will take them from.
absl::Status ChatAttempt::PickReplicas(Backend& backend) {
  const auto fits = [&](const BackendInfo& vision, const BackendInfo& llm) {
    return CheckPairing(vision.service, llm.service,
                        engine_.options_.allow_shared_device);
  };
  const auto can_see = [&](const BackendInfo& llm) {
    if (job_.plan.images.empty()) return absl::OkStatus();
    if (!llm.accepts_images) {
      return RetryableError(absl::StatusCode::kUnavailable,
                            reason::kBackendUnavailable,
                            "no llm service that takes images is ready",
                            absl::Seconds(1), {{"service", "llm"}});
    }
    return engine_.vision_.Check(
        [&](const BackendInfo& vision) { return fits(vision, llm); });
  };
  TANDEM_ASSIGN_OR_RETURN(
      BackendPool::Lease llm,
      engine_.llm_.Pick(job_.conversation_key, avoid_.llm, can_see));
  backend = Backend::kVision;
  std::vector<std::unique_ptr<Put>> puts;
  for (const PlannedImage& image : job_.plan.images) {
    TANDEM_ASSIGN_OR_RETURN(
        BackendPool::Lease vision,
        engine_.vision_.Pick(
            AffinityKey(*image.data), avoid_.vision,
            [&](const BackendInfo& info) { return fits(info, llm.info()); }));
    puts.push_back(MakePut(image, std::move(vision)));
  }
  absl::MutexLock lock(&mutex_);
  if (cancelled_) return Cancelled();
  llm_ = std::move(llm);
  puts_ = std::move(puts);
  num_pending_ = puts_.size();
  return absl::OkStatus();
}

std::unique_ptr<ChatAttempt::Put> ChatAttempt::MakePut(
    const PlannedImage& image, BackendPool::Lease vision) const {
  auto put = std::make_unique<Put>();
  put->vision = std::move(vision);
  put->stub = v1::VisionService::NewStub(put->vision->channel());
  put->bytes = job_.request.mutable_messages(image.message)
                   ->mutable_content(image.part)
                   ->mutable_image()
                   ->mutable_data();
  put->request.set_request_id(job_.call.request_id);
  put->request.set_max_tiles(image.max_tiles);
  job_.deadline.Set(put->context);
  job_.call.SetHeaders(put->context);
  return put;
}

void ChatAttempt::PutImages() {
  for (size_t i = 0; i < puts_.size(); ++i) {
    Put& put = *puts_[i];
    put.request.mutable_data()->swap(*put.bytes);
    put.stub->async()->PutImage(
        &put.context, &put.request, &put.response,
        [self = shared_from_this(), i](const grpc::Status& status) {
          self->OnImagePut(i, status);
        });
  }
}

void ChatAttempt::OnImagePut(size_t index, const grpc::Status& status) {
  Put& put = *puts_[index];
  put.request.mutable_data()->swap(*put.bytes);  // for another try
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    engine_.vision_.MarkUnreachable(*put.vision);
  }
  End end;
  {
    absl::MutexLock lock(&mutex_);
    if (!status.ok() && put_failure_.status.ok()) {
      put_failure_ = {
          .status = cancelled_
                        ? Cancelled()
                        : BackendStatus(Backend::kVision, put.vision->address(),
                                        job_.call, status),
          .backend = Backend::kVision,
          .address = put.vision->address()};
      if (absl::IsInvalidArgument(put_failure_.status)) {
        put_failure_.status =
            AtField(put_failure_.status, job_.plan.images[index].field);
      }
    }
    // All of them, or a reference that is still on its way would not be
    // released.
    if (--num_pending_ > 0) return;
    end = put_failure_;
    if (cancelled_) end.status = Cancelled();
  }
  if (end.status.ok()) {
    Generate();
  } else {
    Finish(std::move(end));
  }
}

v1::GenerateRequest ChatAttempt::MakeRequest() const {
  v1::GenerateRequest request;
  request.set_request_id(job_.call.request_id);
  if (job_.plan.prompt != nullptr) request.set_prompt(*job_.plan.prompt);
  for (const v1::PromptMessage& message : job_.plan.messages) {
    *request.add_messages() = message;
  }
  for (const auto& put : puts_) {
    *request.add_images() = put->response.image();
  }
  *request.mutable_sampling() = job_.request.sampling();
  return request;
}

void ChatAttempt::Generate() {
  stub_ = v1::LlmService::NewStub(llm_->channel());
  job_.deadline.Set(context_);
  job_.call.SetHeaders(context_);
  auto call = std::make_unique<GenerateCall>(shared_from_this(), MakeRequest());
  events_.on_generate();
  {
    absl::MutexLock lock(&mutex_);
    if (!cancelled_) {
      // Under the lock: who reads it next must find a call that has started,
      // and one that has not ended.
      generate_ = call.release();
      generate_->Start();
      return;
    }
  }
  Finish({.status = Cancelled(), .address = llm_->address()});
}

// A token means that the pictures are encoded: their replicas have no more work
// with this.
void ChatAttempt::LeaveVision() {
  for (const auto& put : puts_) put->vision.EndCall();
}

void ChatAttempt::OnGenerateDone(const grpc::Status& status) {
  bool cancelled = false;
  {
    absl::MutexLock lock(&mutex_);
    generate_ = nullptr;
    cancelled = cancelled_;
  }
  End end{.status = Cancelled(), .address = llm_->address()};
  if (status.ok() || !cancelled) {
    if (IsTransportFailure(status)) engine_.llm_.MarkUnreachable(*llm_);
    end.status = BackendStatus(Backend::kLlm, end.address, job_.call, status);
    // An image's transfer failed: that is between the two of them, and the
    // vision replica is the one to leave out.
    const ErrorMetadata metadata = ErrorMetadataOf(end.status);
    const auto image = metadata.find("image");
    size_t index = 0;
    if (image != metadata.end() && absl::SimpleAtoi(image->second, &index) &&
        index < puts_.size()) {
      end.backend = Backend::kVision;
      end.address = puts_[index]->vision->address();
    }
  }
  Finish(std::move(end));
}

void ChatAttempt::Continue() {
  absl::MutexLock lock(&mutex_);
  if (generate_ != nullptr) generate_->Read();
}

void ChatAttempt::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  context_.TryCancel();
  // The end of the stream is only heard by who reads.
  if (generate_ != nullptr) generate_->Read();
}

void ChatAttempt::Finish(End end) {
  ReleaseImages();
  // Or the next try would find its first choice busy with this one.
  for (const auto& put : puts_) put->vision.Reset();
  llm_.Reset();
  // They hold who holds this.
  const Events events = std::exchange(events_, Events());
  events.on_done(std::move(end));
}

// Tells the vision replicas that the references are no longer needed. Nobody
// waits for it: they expire by themselves.
void ChatAttempt::ReleaseImages() const {
  std::map<const Replica*, std::shared_ptr<Release>> releases;
  for (const auto& put : puts_) {
    const std::string& handle = put->response.image().handle();
    if (handle.empty()) continue;
    std::shared_ptr<Release>& release = releases[&*put->vision];
    if (release == nullptr) {
      release = std::make_shared<Release>(engine_);
      release->stub = v1::VisionService::NewStub(put->vision->channel());
      SetDeadline(engine_.clock_.Now() + kReleaseTimeout, release->context);
      job_.call.SetHeaders(release->context);
    }
    release->request.add_handles(handle);
  }
  for (const auto& [replica, release] : releases) {
    release->stub->async()->ReleaseImages(
        &release->context, &release->request, &release->response,
        [release = release](const grpc::Status&) {});
  }
}

}  // namespace tandem
