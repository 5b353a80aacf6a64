#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cli/chat_client.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "tandem/v1/gateway.grpc.pb.h"

namespace tandem {

// ChatClient of tandem.v1.ChatService.
class GrpcChatClient final : public ChatClient {
 public:
  explicit GrpcChatClient(const std::shared_ptr<grpc::Channel>& channel,
                          CallHeaders headers = {});

  absl::StatusOr<v1::Model> FindModel(const std::string& name) override;
  absl::StatusOr<ChatAnswer> Chat(const v1::ChatRequest& request,
                                  const OnText& on_text) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Cancel() override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Prepare(absl::Duration timeout, grpc::ClientContext& context) const;
  void SetRunning(grpc::ClientContext* context) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<v1::ChatService::Stub> stub_;
  const CallHeaders headers_;
  absl::Mutex mutex_;
  grpc::ClientContext* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace tandem
