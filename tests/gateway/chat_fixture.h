#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/grpc_host.h"
#include "common/service_frame.h"
#include "gateway/chat_session.h"
#include "gateway/gateway_server.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_llm_service.h"
#include "tests/fakes/fake_vision_service.h"

namespace tandem {

// Until it is so; ctest ends a test that waits for ever.
void WaitUntil(const std::function<bool()>& condition);

v1::ChatRequest TextRequest(const std::string& text = "hello");
v1::ChatRequest PromptRequest(const std::string& prompt);
// One user message: the pictures, each with its size and a content of its own,
// and a text.
v1::ChatRequest ImageRequest(const std::vector<std::pair<int, int>>& sizes);
v1::ChatRequest ImageRequest();  // one picture of one tile

// What a client got.
struct ChatAnswer {
  std::vector<v1::ChatChunk> chunks;
  absl::Status status;

  std::string text() const;
  std::vector<uint32_t> token_ids() const;
};

// A gateway on a real gRPC server, with fake services behind it that pair.
class ChatFixture : public testing::Test {
 protected:
  struct Setup {
    int num_vision = 1, num_llm = 1;
    // Backends are dialled, as they must be where one is shut down: gRPC 1.51
    // crashes when a call begins on a channel without a socket whose server is
    // gone, and the gateway asks every second. Else they are reached without
    // one, and are named vision-0, llm-0, llm-1.
    bool sockets = false;
    // So is the gateway.
    bool listens = false;
    ChatEngine::Options engine = {};
    AccessOptions access = {};
    Clock* clock = nullptr;  // null: the real one
  };
  ChatFixture();
  ~ChatFixture() override;

  // Adds what `setup` asks for to the fakes that are there, and starts.
  void StartGateway(const Setup& setup);
  void StartGateway() { StartGateway(Setup()); }
  FakeVisionService& AddVision();
  FakeLlmService& AddLlm();

  ChatEngine& engine() { return gateway_->engine(); }
  v1::ChatService::Stub& stub() { return *stub_; }

  // Streams to the end; `on_chunk` sees every chunk as it comes.
  ChatAnswer Chat(
      const v1::ChatRequest& request, grpc::ClientContext& context,
      const std::function<void()>& on_chunk = [] {});
  ChatAnswer Chat(const v1::ChatRequest& request);

  double Retries(Backend backend, absl::StatusCode code) const;
  double Requests(absl::StatusCode code, Method method = Method::kChat,
                  Api api = Api::kGrpc) const;

  // Waits until nothing is in flight, admitted, held or computed any more, and
  // checks that every image was released once, where it was put.
  void ExpectIdle();

  EmbeddingFormat format_;
  std::vector<std::unique_ptr<FakeVisionService>> vision_;
  std::vector<std::unique_ptr<FakeLlmService>> llm_;
  RealClock real_clock_;
  Health health_;
  Metrics metrics_{{.backend = "none", .torch = ""}, health_};
  GrpcMetrics grpc_metrics_{metrics_};
  GatewayMetrics gateway_metrics_{metrics_};  // the gateway's own series
  std::unique_ptr<GatewayServer> gateway_;
  std::unique_ptr<GrpcHost> host_;
  std::unique_ptr<v1::ChatService::Stub> stub_;
};

// A session without a public protocol: what a caller of the engine sees.
class SessionCaller {
 public:
  // `takes_chunks`: says Continue to every chunk at once.
  // `timeout` is on `clock`; null: the real one.
  SessionCaller(ChatEngine& engine, const v1::ChatRequest& request,
                absl::Duration timeout, bool takes_chunks = true,
                Clock* clock = nullptr);

  ChatSession& session() { return *session_; }
  int num_chunks() const ABSL_LOCKS_EXCLUDED(mutex_);
  int num_continued() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool is_done() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits for the end.
  absl::Status Wait() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  int num_chunks_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_continued_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_ends_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ChatSession> session_;
};

}  // namespace tandem
