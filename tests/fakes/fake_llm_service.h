#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/channel.h"
#include "grpcpp/server.h"
#include "tandem/v1/llm.grpc.pb.h"

namespace tandem {

// An llm service without a model, on a real gRPC server: answers by a script.
// It refuses what the real one refuses as far as a gateway can tell, and fails
// and hangs on demand. The controls are thread-safe and count for calls to
// come.
class FakeLlmService final : public v1::LlmService::Service {
 public:
  struct Script {
    // One token each, with ids from 1 on.
    std::vector<std::string> pieces = {"Hello", ", ", "world", "."};
    v1::FinishReason finish_reason = v1::FINISH_REASON_STOP;
    v1::Timings timings = OneMillisecond();
    // Not OK: how the call ends, after so many pieces.
    absl::Status status = {};
    int pieces_before_status = 0;
    // A call waits after so many pieces until Release or its end; -1: it does
    // not.
    int hold_after = -1;
    // Calls at a time; the next one is refused.
    int max_calls = 1000;
    bool draining = false;
  };

  static constexpr uint32_t kImageToken = 300;

  static v1::GetLlmInfoResponse DefaultInfo();
  // A prefill of it, and another one for the rest.
  static v1::Timings OneMillisecond();

  explicit FakeLlmService(v1::GetLlmInfoResponse info = DefaultInfo());
  ~FakeLlmService() override;

  // "127.0.0.1:PORT".
  const std::string& address() const { return address_; }
  std::shared_ptr<grpc::Channel> InProcessChannel();

  void SetScript(Script script) ABSL_LOCKS_EXCLUDED(mutex_);
  // For one call; calls take these, in turn, before they take the one that is
  // set.
  void SetNextScript(Script script) ABSL_LOCKS_EXCLUDED(mutex_);
  // Is called in a Generate before its first piece; may move a fake clock.
  void SetBeforeAnswer(std::function<void()> act) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetInfo(const v1::GetLlmInfoResponse& info) ABSL_LOCKS_EXCLUDED(mutex_);
  // CountTokens calls wait until Release or their end.
  void HoldCounts() ABSL_LOCKS_EXCLUDED(mutex_);
  // Lets held calls go on, and later ones pass.
  void Release() ABSL_LOCKS_EXCLUDED(mutex_);
  // Drops all connections and takes no new ones.
  void Shutdown();

  // All Generate requests so far.
  std::vector<v1::GenerateRequest> requests() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The `traceparent` and the `tracestate` of each of them, "" for none.
  std::vector<std::pair<std::string, std::string>> traces() const
      ABSL_LOCKS_EXCLUDED(mutex_);
  int num_calls() const ABSL_LOCKS_EXCLUDED(mutex_);  // Generate, open now
  int num_held() const ABSL_LOCKS_EXCLUDED(mutex_);   // of both kinds
  int num_cancelled() const ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::Status Generate(grpc::ServerContext* context,
                        const v1::GenerateRequest* request,
                        grpc::ServerWriter<v1::GenerateChunk>* writer) override;
  // A text's tokens are its bytes, an image's are kImageToken; no template.
  grpc::Status CountTokens(grpc::ServerContext* context,
                           const v1::CountPromptTokensRequest* request,
                           v1::CountPromptTokensResponse* response) override;
  grpc::Status GetInfo(grpc::ServerContext* context,
                       const v1::GetLlmInfoRequest* request,
                       v1::GetLlmInfoResponse* response) override;

 private:
  absl::Status Check(const v1::GenerateRequest& request, v1::Usage& usage) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Answer(grpc::ServerContext& context,
                      const v1::GenerateRequest& request,
                      grpc::ServerWriter<v1::GenerateChunk>& writer)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Until Release; false where the call ended before.
  bool WaitWhileHeld(grpc::ServerContext& context) ABSL_LOCKS_EXCLUDED(mutex_);

  mutable absl::Mutex mutex_;
  v1::GetLlmInfoResponse info_ ABSL_GUARDED_BY(mutex_);
  Script script_ ABSL_GUARDED_BY(mutex_);
  std::deque<Script> next_scripts_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> before_answer_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::GenerateRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::string>> traces_
      ABSL_GUARDED_BY(mutex_);
  bool hold_counts_ ABSL_GUARDED_BY(mutex_) = false;
  int num_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_held_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_cancelled_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace tandem
