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

struct FakePrompt {
  std::vector<uint32_t> token_ids;
  uint32_t image_tokens = 0;

  void AddText(const std::string& text) {
    for (const unsigned char byte : text) token_ids.push_back(byte);
  }
};

absl::Status AddMessage(const v1::PromptMessage& message, int index,
                        const std::vector<uint32_t>& image_tokens,
                        FakePrompt& prompt) {
  const std::string field = absl::StrCat("messages[", index, "]");
  const std::string& role = message.role();
  if (role != "system" && role != "user" && role != "assistant") {
    return FieldError(field + ".role",
                      absl::StrCat("\"", role, "\" is unknown"));
  }
  if (message.content().empty()) return FieldError(field, "is empty");
  for (const v1::PromptPart& part : message.content()) {
    prompt.AddText(part.text());
    if (!part.has_image_index()) continue;
    if (part.image_index() >= image_tokens.size()) {
      return FieldError(field,
                        absl::StrCat("there is no image ", part.image_index()));
    }
    const uint32_t count = image_tokens[part.image_index()];
    prompt.token_ids.insert(prompt.token_ids.end(), count,
                            FakeLlmService::kImageToken);
    prompt.image_tokens += count;
  }
  return absl::OkStatus();
}

// Of a GenerateRequest or a CountPromptTokensRequest, with the rules that every
// client can meet.
template <typename Request>
absl::StatusOr<FakePrompt> ReadPrompt(
    const Request& request, const std::vector<uint32_t>& image_tokens) {
  FakePrompt prompt;
  if (request.has_prompt()) {
    if (!request.messages().empty()) {
      return FieldError("prompt", "is beside messages");
    }
    if (!image_tokens.empty()) return FieldError("images[0]", "has no place");
    prompt.AddText(request.prompt());
    return prompt;
  }
  if (request.messages().empty()) return FieldError("messages", "is empty");
  for (int i = 0; i < request.messages_size(); ++i) {
    TANDEM_RETURN_IF_ERROR(
        AddMessage(request.messages(i), i, image_tokens, prompt));
  }
  return prompt;
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
    if (i == 0) chunk.set_prompt_tokens(usage.prompt_tokens());
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
  if (request.has_prompt() && request.prompt().empty()) {
    return FieldError("prompt", "is empty");
  }
  std::vector<uint32_t> image_tokens;
  for (const v1::ImageRef& ref : request.images()) {
    image_tokens.push_back(ref.num_tiles() * info_.info().tokens_per_tile());
  }
  TANDEM_ASSIGN_OR_RETURN(const FakePrompt prompt,
                          ReadPrompt(request, image_tokens));
  const auto num_prompt = static_cast<uint32_t>(prompt.token_ids.size());
  const uint32_t answer = std::max(1u, request.sampling().max_tokens());
  if (num_prompt + answer > info_.max_context_tokens()) {
    return TooLong(num_prompt, prompt.image_tokens, answer);
  }
  usage.set_prompt_tokens(num_prompt);
  usage.set_image_tokens(prompt.image_tokens);
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
  std::vector<uint32_t> image_tokens;
  {
    absl::MutexLock lock(&mutex_);
    for (const uint32_t tiles : request->image_tiles()) {
      image_tokens.push_back(tiles * info_.info().tokens_per_tile());
    }
  }
  const auto prompt = ReadPrompt(*request, image_tokens);
  if (!prompt.ok()) return ToGrpcStatus(prompt.status());
  const std::vector<uint32_t>& ids = prompt->token_ids;
  response->set_prompt_tokens(ids.size());
  response->set_image_tokens(prompt->image_tokens);
  if (request->return_token_ids()) {
    response->mutable_token_ids()->Add(ids.begin(), ids.end());
  }
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
