#pragma once

#include "common/clock.h"
#include "llm_service/generation.h"
#include "llm_service/llm_engine.h"
#include "llm_service/tokenizer.h"
#include "llm_service/worker_pool.h"
#include "tandem/v1/llm.grpc.pb.h"

namespace tandem {

// LlmService on the wire: messages to the engine and back, no decisions.
//
// Network threads only move messages: text is tokenized by the workers, tokens
// come from the engine. Of each call one write is in flight, and it carries all
// tokens that have come since the one before.
class LlmRpc final : public v1::LlmService::CallbackService {
 public:
  // Everything outlives the server that this is registered with.
  struct Deps {
    LlmEngine& engine;
    const GenerationReader& reader;
    const Tokenizer& tokenizer;
    WorkerPool& workers;
    const CallGate& gate;
    Clock& clock;
  };

  // `info` is what GetInfo answers, but for `ready` and the load.
  LlmRpc(v1::GetLlmInfoResponse info, const Deps& deps);

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
  const v1::GetLlmInfoResponse info_;
  const Deps deps_;
};

}  // namespace tandem
