#include "tests/fakes/fake_llm_service.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace tandem {
namespace {

// Tokens of the texts, and a rule for the messages that every client can meet.
absl::Status CountText(
    const google::protobuf::RepeatedPtrField<v1::PromptMessage>& messages,
    uint32_t& tokens) {
  if (messages.empty()) return FieldError("messages", "is empty");
  for (int i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role();
    if (role != "system" && role != "user" && role != "assistant") {
      return FieldError(absl::StrCat("messages[", i, "].role"),
                        absl::StrCat("\"", role, "\" is unknown"));
    }
    if (messages[i].content().empty()) {
      return FieldError(absl::StrCat("messages[", i, "]"), "is empty");
    }
    for (const v1::PromptPart& part : messages[i].content()) {
      tokens += static_cast<uint32_t>(part.text().size());
    }
  }
  return absl::OkStatus();
}

std::string HeaderOf(const grpc::ServerContext& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) return "";
  return std::string(found->second.data(), found->second.size());
}

absl::Status TooLong(uint32_t prompt, uint32_t image, uint32_t answer) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   reason::kContextLengthExceeded, "the context is too short",
                   {{"maxTokens", absl::StrCat(answer)},
                    {"promptTokens", absl::StrCat(prompt)},
                    {"imageTokens", absl::StrCat(image)}});
}

}  // namespace

v1::GetLlmInfoResponse FakeLlmService::DefaultInfo() {
  v1::GetLlmInfoResponse response;
  v1::ServiceInfo& info = *response.mutable_info();
  info.set_model("fake");
  info.set_fingerprint("f00d");
  info.set_profile(v1::PROFILE_CUSTOM);
  info.set_dtype(v1::DTYPE_BFLOAT16);
  info.set_hidden_size(8);
  info.set_tokens_per_tile(16);
  info.set_tile_size(448);
  info.set_replica_id(RandomHex(16));
  info.set_ready(true);
  info.set_max_tiles(12);
  response.set_vocab_size(400);
  response.set_max_context_tokens(1024);
  response.set_max_waiting_sequences(64);
  response.set_accepts_images(true);
  return response;
}

v1::Timings FakeLlmService::OneMillisecond() {
  v1::Timings timings;
  timings.set_prefill(1);
  timings.set_time_to_first_token(1);
  timings.set_total(2);
  return timings;
}

FakeLlmService::FakeLlmService(v1::GetLlmInfoResponse info)
    : info_(std::move(info)) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeLlmService::~FakeLlmService() { Shutdown(); }

std::shared_ptr<grpc::Channel> FakeLlmService::InProcessChannel() {
  return server_->InProcessChannel(grpc::ChannelArguments());
}

void FakeLlmService::SetScript(Script script) {
  absl::MutexLock lock(&mutex_);
  script_ = std::move(script);
}

void FakeLlmService::SetNextScript(Script script) {
  absl::MutexLock lock(&mutex_);
  next_scripts_.push_back(std::move(script));
}

void FakeLlmService::SetBeforeAnswer(std::function<void()> act) {
  absl::MutexLock lock(&mutex_);
  before_answer_ = std::move(act);
}

void FakeLlmService::SetInfo(const v1::GetLlmInfoResponse& info) {
  absl::MutexLock lock(&mutex_);
  info_ = info;
}

void FakeLlmService::Release() {
  absl::MutexLock lock(&mutex_);
  script_.hold_after = -1;
  hold_counts_ = false;
}

void FakeLlmService::HoldCounts() {
  absl::MutexLock lock(&mutex_);
  hold_counts_ = true;
}

void FakeLlmService::Shutdown() {
  server_->Shutdown(std::chrono::system_clock::now());
}

std::vector<v1::GenerateRequest> FakeLlmService::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

std::vector<std::pair<std::string, std::string>> FakeLlmService::traces()
    const {
  absl::MutexLock lock(&mutex_);
  return traces_;
}

int FakeLlmService::num_calls() const {
  absl::MutexLock lock(&mutex_);
  return num_calls_;
}

int FakeLlmService::num_held() const {
  absl::MutexLock lock(&mutex_);
  return num_held_;
}

int FakeLlmService::num_cancelled() const {
  absl::MutexLock lock(&mutex_);
  return num_cancelled_;
}

grpc::Status FakeLlmService::Generate(
    grpc::ServerContext* context, const v1::GenerateRequest* request,
    grpc::ServerWriter<v1::GenerateChunk>* writer) {
  {
    absl::MutexLock lock(&mutex_);
    requests_.push_back(*request);
    traces_.emplace_back(HeaderOf(*context, "traceparent"),
                         HeaderOf(*context, "tracestate"));
    ++num_calls_;
  }
  const absl::Status status = Answer(*context, *request, *writer);
  absl::MutexLock lock(&mutex_);
  --num_calls_;
  if (absl::IsCancelled(status)) ++num_cancelled_;
  return ToGrpcStatus(status);
}

absl::Status FakeLlmService::Answer(
    grpc::ServerContext& context, const v1::GenerateRequest& request,
    grpc::ServerWriter<v1::GenerateChunk>& writer) {
  Script script;
  std::function<void()> before_answer;
  v1::GenerateChunk chunk;
  {
    absl::MutexLock lock(&mutex_);
    script = script_;
    before_answer = before_answer_;
    if (!next_scripts_.empty()) {
      script = std::move(next_scripts_.front());
      next_scripts_.pop_front();
    }
    TANDEM_RETURN_IF_ERROR(Check(request, *chunk.mutable_usage()));
  }
  if (before_answer) before_answer();
  const v1::Usage usage = chunk.usage();
  const int num_pieces = static_cast<int>(script.pieces.size());
  for (int i = 0; i <= num_pieces; ++i) {
    if (i == script.hold_after && !WaitWhileHeld(context)) {
      return absl::CancelledError();
    }
    if (!script.status.ok() && i == script.pieces_before_status) {
      return script.status;
    }
    if (i == num_pieces) break;
    chunk.Clear();
    chunk.set_delta_text(script.pieces[i]);
    chunk.add_token_ids(i + 1);
    if (i == num_pieces - 1) {
      chunk.set_finish_reason(script.finish_reason);
      *chunk.mutable_usage() = usage;
      chunk.mutable_usage()->set_completion_tokens(num_pieces);
      *chunk.mutable_timings() = script.timings;
    }
    if (!writer.Write(chunk)) return absl::CancelledError();
  }
  return absl::OkStatus();
}

absl::Status FakeLlmService::Check(const v1::GenerateRequest& request,
                                   v1::Usage& usage) const {
  if (script_.draining) {
    return RetryableError(absl::StatusCode::kUnavailable, reason::kDraining,
                          "the service is stopping", absl::Seconds(1));
  }
  if (num_calls_ > script_.max_calls) {
    return RetryableError(absl::StatusCode::kResourceExhausted,
                          reason::kOverloaded, "too many requests wait",
                          absl::Seconds(1));
  }
  if (!IsValidRequestId(request.request_id())) {
    return FieldError("request_id", "is not 1 to 128 of [A-Za-z0-9._-]");
  }
  const float temperature = request.sampling().temperature();
  if (!(temperature >= 0 && temperature <= 2)) {
    return FieldError("sampling.temperature",
                      absl::StrCat(temperature, " is outside [0, 2]"));
  }
  uint32_t prompt = 0, image = 0;
  TANDEM_RETURN_IF_ERROR(CountText(request.messages(), prompt));
  for (const v1::ImageRef& ref : request.images()) {
    image += ref.num_tiles() * info_.info().tokens_per_tile();
  }
  prompt += image;
  const uint32_t answer = std::max(1u, request.sampling().max_tokens());
  if (prompt + answer > info_.max_context_tokens()) {
    return TooLong(prompt, image, answer);
  }
  usage.set_prompt_tokens(prompt);
  usage.set_image_tokens(image);
  return absl::OkStatus();
}

bool FakeLlmService::WaitWhileHeld(grpc::ServerContext& context) {
  absl::MutexLock lock(&mutex_);
  const auto released = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return script_.hold_after < 0 && !hold_counts_;
  };
  ++num_held_;
  bool go = false;
  while (!go && !context.IsCancelled()) {
    go = mutex_.AwaitWithTimeout(absl::Condition(&released),
                                 absl::Milliseconds(2));
  }
  --num_held_;
  return go;
}

grpc::Status FakeLlmService::CountTokens(
    grpc::ServerContext* context, const v1::CountPromptTokensRequest* request,
    v1::CountPromptTokensResponse* response) {
  bool held = false;
  {
    absl::MutexLock lock(&mutex_);
    held = hold_counts_;
  }
  if (held && !WaitWhileHeld(*context)) {
    return ToGrpcStatus(absl::CancelledError());
  }
  uint32_t prompt = 0, image = 0;
  const absl::Status status = CountText(request->messages(), prompt);
  if (!status.ok()) return ToGrpcStatus(status);
  absl::MutexLock lock(&mutex_);
  for (const uint32_t tiles : request->image_tiles()) {
    image += tiles * info_.info().tokens_per_tile();
  }
  response->set_prompt_tokens(prompt + image);
  response->set_image_tokens(image);
  return grpc::Status::OK;
}

grpc::Status FakeLlmService::GetInfo(grpc::ServerContext*,
                                     const v1::GetLlmInfoRequest*,
                                     v1::GetLlmInfoResponse* response) {
  absl::MutexLock lock(&mutex_);
  *response = info_;
  response->set_running_sequences(num_calls_);
  return grpc::Status::OK;
}

}  // namespace tandem
