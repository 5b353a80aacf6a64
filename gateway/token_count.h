#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/call_deadline.h"
#include "gateway/chat_engine.h"
#include "grpcpp/client_context.h"
#include "tandem/v1/llm.grpc.pb.h"

namespace tandem {

// One CountTokens on its way: planned like a chat, asked of one llm service
// once. Made by ChatEngine::NewTokenCount; lives as long as the call on its
// behalf does. Thread-safe.
class TokenCount : public std::enable_shared_from_this<TokenCount> {
 public:
  using Done = std::function<void(absl::StatusOr<v1::CountTokensResponse>)>;

  // `done` is called once, after Start.
  TokenCount(ChatEngine& engine, ChatEngine::Call call, Done done);

  // Once; `done` may be called before this returns.
  void Start(const v1::CountTokensRequest& request);
  // Ends the call; `done` follows soon. Safe at any time, before Start too.
  void Cancel();

 private:
  absl::Status Prepare(const v1::CountTokensRequest& request);
  void OnCounted(const grpc::Status& status);
  // Gives back what the count has taken, then tells.
  void Finish(absl::StatusOr<v1::CountTokensResponse> counted);

  const ChatEngine::Visit visit_;  // first: it outlives everything below
  ChatEngine& engine_;
  ChatEngine::Call call_;  // its pass is pass_
  const CallDeadline deadline_;
  std::shared_ptr<AccessPass> pass_;
  Done done_;
  std::atomic<bool> cancelled_ = false;
  std::unique_ptr<Admission::Ticket> ticket_;
  BackendPool::Lease llm_;
  std::unique_ptr<v1::LlmService::Stub> stub_;
  grpc::ClientContext context_;
  v1::CountPromptTokensRequest request_;
  v1::CountPromptTokensResponse response_;
};

}  // namespace tandem
