#include "tests/gateway/chat_fixture.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/channel.h"
#include "common/grpc_status.h"
#include "tests/fakes/bmp_header.h"

namespace tandem {

void WaitUntil(const std::function<bool()>& condition) {
  while (!condition()) absl::SleepFor(absl::Milliseconds(1));
}

v1::ChatRequest TextRequest(const std::string& text) {
  v1::ChatRequest request;
  v1::ChatMessage& message = *request.add_messages();
  message.set_role("user");
  message.add_content()->set_text(text);
  return request;
}

v1::ChatRequest PromptRequest(const std::string& prompt) {
  v1::ChatRequest request;
  request.set_prompt(prompt);
  return request;
}

v1::ChatRequest ImageRequest(const std::vector<std::pair<int, int>>& sizes) {
  v1::ChatRequest request;
  v1::ChatMessage& message = *request.add_messages();
  message.set_role("user");
  for (const auto& [width, height] : sizes) {
    message.add_content()->mutable_image()->set_data(absl::StrCat(
        BmpHeader(width, height), "picture ", message.content_size()));
  }
  message.add_content()->set_text("what is it?");
  return request;
}

v1::ChatRequest ImageRequest() { return ImageRequest({{448, 448}}); }

std::string ChatAnswer::text() const {
  std::string text;
  for (const v1::ChatChunk& chunk : chunks) text += chunk.delta_text();
  return text;
}

std::vector<uint32_t> ChatAnswer::token_ids() const {
  std::vector<uint32_t> ids;
  for (const v1::ChatChunk& chunk : chunks) {
    ids.insert(ids.end(), chunk.token_ids().begin(), chunk.token_ids().end());
  }
  return ids;
}

ChatFixture::ChatFixture() {
  const v1::ServiceInfo llm = FakeLlmService::DefaultInfo().info();
  format_.dtype = DType::kBFloat16;
  format_.tokens_per_tile = static_cast<int>(llm.tokens_per_tile());
  format_.hidden_size = static_cast<int>(llm.hidden_size());
  format_.fingerprint = llm.fingerprint();
}

// The gateway first: it waits for its calls, which end with their deadlines or
// with the services.
ChatFixture::~ChatFixture() {
  stub_ = nullptr;
  host_ = nullptr;
  gateway_ = nullptr;
}

FakeVisionService& ChatFixture::AddVision() {
  vision_.push_back(
      std::make_unique<FakeVisionService>(format_, FakeVisionInfo(format_)));
  return *vision_.back();
}

FakeLlmService& ChatFixture::AddLlm() {
  llm_.push_back(std::make_unique<FakeLlmService>());
  return *llm_.back();
}

void ChatFixture::StartGateway(const Setup& setup) {
  while (static_cast<int>(vision_.size()) < setup.num_vision) AddVision();
  while (static_cast<int>(llm_.size()) < setup.num_llm) AddLlm();
  const auto add = [&](const char* name, auto& services,
                       std::vector<BackendTarget>& targets) {
    for (const auto& service : services) {
      if (setup.sockets) {
        targets.push_back({service->address(), nullptr});
      } else {
        targets.push_back({absl::StrCat(name, "-", targets.size()),
                           service->InProcessChannel()});
      }
    }
  };
  GatewayServer::Options options;
  add("vision", vision_, options.vision);
  add("llm", llm_, options.llm);
  options.engine = setup.engine;
  options.access = setup.access;
  Clock& clock = setup.clock != nullptr ? *setup.clock : real_clock_;
  const ServiceFrame frame{clock, health_, metrics_, grpc_metrics_};
  gateway_ = std::make_unique<GatewayServer>(options, frame);
  GrpcHost::Options host;
  host.reflection = false;
  if (setup.listens) host.listen = HostPort{"127.0.0.1", 0};
  auto started =
      GrpcHost::Start(host, gateway_->grpc_services(), health_, grpc_metrics_);
  ASSERT_TRUE(started.ok()) << started.status();
  host_ = *std::move(started);
  gateway_->WaitUntilAsked(absl::InfiniteDuration());
  stub_ = v1::ChatService::NewStub(
      setup.listens ? MakeChannel(host_->address()->ToString())
                    : host_->InProcessChannel());
}

ChatAnswer ChatFixture::Chat(const v1::ChatRequest& request,
                             grpc::ClientContext& context,
                             const std::function<void()>& on_chunk) {
  ChatAnswer answer;
  const auto reader = stub_->Chat(&context, request);
  v1::ChatChunk chunk;
  while (reader->Read(&chunk)) {
    answer.chunks.push_back(std::move(chunk));
    on_chunk();
  }
  answer.status = FromGrpcStatus(reader->Finish());
  return answer;
}

ChatAnswer ChatFixture::Chat(const v1::ChatRequest& request) {
  grpc::ClientContext context;
  return Chat(request, context);
}

double ChatFixture::Retries(Backend backend, absl::StatusCode code) const {
  return gateway_metrics_.backend_retries[backend][code].Value();
}

double ChatFixture::Requests(absl::StatusCode code, Method method,
                             Api api) const {
  return gateway_metrics_.requests[static_cast<size_t>(api)][method][code]
      .Value();
}

void ChatFixture::ExpectIdle() {
  const Admission& admission = gateway_->engine().admission();
  WaitUntil([&] {
    return admission.in_flight() == 0 && admission.queued() == 0 &&
           gateway_metrics_.requests_in_flight[Api::kGrpc].Value() == 0 &&
           gateway_metrics_.requests_in_flight[Api::kKserve].Value() == 0;
  });
  EXPECT_EQ(admission.image_bytes(), 0);
  for (const auto& llm : llm_) {
    WaitUntil([&] { return llm->num_calls() == 0; });
  }
  for (const auto& vision : vision_) {
    WaitUntil([&] { return vision->num_images() == 0; });
    for (const auto& [handle, times] : vision->releases()) {
      EXPECT_EQ(times, 1) << handle;
    }
  }
}

SessionCaller::SessionCaller(ChatEngine& engine, const v1::ChatRequest& request,
                             absl::Duration timeout, bool takes_chunks,
                             Clock* clock) {
  ChatEngine::Call call;
  call.request_id = "r-1";
  call.deadline = (clock != nullptr ? clock->Now() : absl::Now()) + timeout;
  session_ = engine.NewSession(request, call,
                               {.on_chunk =
                                    [this, takes_chunks](const v1::ChatChunk&) {
                                      {
                                        absl::MutexLock lock(&mutex_);
                                        ++num_chunks_;
                                      }
                                      if (!takes_chunks) return;
                                      session_->Continue();
                                      absl::MutexLock lock(&mutex_);
                                      ++num_continued_;
                                    },
                                .on_done =
                                    [this](absl::Status status) {
                                      absl::MutexLock lock(&mutex_);
                                      EXPECT_EQ(++num_ends_, 1);
                                      status_ = std::move(status);
                                    }});
}

int SessionCaller::num_chunks() const {
  absl::MutexLock lock(&mutex_);
  return num_chunks_;
}

int SessionCaller::num_continued() const {
  absl::MutexLock lock(&mutex_);
  return num_continued_;
}

bool SessionCaller::is_done() const {
  absl::MutexLock lock(&mutex_);
  return num_ends_ > 0;
}

absl::Status SessionCaller::Wait() {
  WaitUntil([this] { return is_done(); });
  absl::MutexLock lock(&mutex_);
  return status_;
}

}  // namespace tandem
