#pragma once

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/health.h"
#include "llm_service/generation.h"
#include "llm_service/llm_engine.h"
#include "llm_service/tokenizer.h"
#include "llm_service/worker_pool.h"
#include "tandem/v1/llm.grpc.pb.h"

namespace tandem {

// The wire side of the llm service: from messages to the engine and back, no
// decisions. It answers from the start; until Open, GetInfo says that it is not
// ready and everything else UNAVAILABLE BACKEND_UNAVAILABLE.
//
// Network threads only move messages: text is tokenized by the workers, tokens
// come from the engine. Of each call one write is in flight, and it carries all
// tokens that have come since the one before.
class LlmRpc final : public v1::LlmService::CallbackService {
 public:
  // What is there once weights are loaded; all of it outlives the calls.
  struct Backend {
    LlmEngine& engine;
    const GenerationReader& reader;
    const Tokenizer& tokenizer;
  };

  // `info` is what GetInfo says but for `ready` and the load. Everything
  // borrowed must outlive the server that this is registered with.
  LlmRpc(v1::GetLlmInfoResponse info, CallGate& gate, WorkerPool& workers,
         Clock& clock);

  // Calls are taken from now on; `info` replaces the constructor's.
  void Open(const Backend& backend, v1::GetLlmInfoResponse info)
      ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::ServerWriteReactor<v1::GenerateChunk>* Generate(
      grpc::CallbackServerContext* context,
      const v1::GenerateRequest* request) override;
  grpc::ServerUnaryReactor* CountTokens(
      grpc::CallbackServerContext* context,
      const v1::CountPromptTokensRequest* request,
      v1::CountPromptTokensResponse* response) override;
  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context,
                                    const v1::GetLlmInfoRequest* request,
                                    v1::GetLlmInfoResponse* response) override;

 private:
  // The backend, or why there is none for a new call.
  absl::StatusOr<const Backend*> Admit() const ABSL_LOCKS_EXCLUDED(mutex_);

  CallGate& gate_;
  WorkerPool& workers_;
  Clock& clock_;
  mutable absl::Mutex mutex_;
  v1::GetLlmInfoResponse info_ ABSL_GUARDED_BY(mutex_);
  absl::optional<Backend> backend_ ABSL_GUARDED_BY(mutex_);  // set once
};

}  // namespace tandem
