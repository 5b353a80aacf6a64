#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/channel.h"
#include "tandem/v1/gateway.grpc.pb.h"

namespace tandem {

// A whole answer.
struct ChatAnswer {
  std::string text;
  std::vector<uint32_t> token_ids;
  v1::FinishReason finish_reason = v1::FINISH_REASON_UNSPECIFIED;
  v1::Usage usage;
  v1::Timings timings;
};

// A client of ChatService for one person: one answer at a time. Cancel may come
// from any thread, the rest from one.
class ChatClient {
 public:
  // Every call carries `api_key`, unless that is empty.
  explicit ChatClient(const std::shared_ptr<grpc::Channel>& channel,
                      std::string api_key = "");

  // The model called `name`, or the only one that is served where `name` is
  // empty. NOT_FOUND MODEL_NOT_FOUND, INVALID_ARGUMENT where several are
  // served, UNAVAILABLE where nobody answers.
  absl::StatusOr<v1::Model> FindModel(const std::string& name);

  // Sends the request and waits for the end of the answer; `on_text` gets each
  // piece as it comes. INVALID_ARGUMENT FIELD_INVALID for text that is not
  // UTF-8 and for a request above 32 MiB, before anything is sent; CANCELLED
  // after Cancel; else the errors of ChatService.Chat.
  using OnText = std::function<void(absl::string_view)>;
  absl::StatusOr<ChatAnswer> Chat(const v1::ChatRequest& request,
                                  const OnText& on_text)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the Chat that runs now; without one it has no effect.
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void SetKey(grpc::ClientContext& context) const;
  void SetRunning(grpc::ClientContext* context) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<v1::ChatService::Stub> stub_;
  const std::string api_key_;
  absl::Mutex mutex_;
  grpc::ClientContext* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace tandem
