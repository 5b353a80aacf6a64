#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gateway/call_deadline.h"
#include "gateway/chat_engine.h"
#include "grpcpp/client_context.h"
#include "tandem/v1/llm.grpc.pb.h"

namespace tandem {

// A short text that is the same for equal bytes in every gateway: requests with
// equal pictures, or of one conversation, meet their cache.
std::string AffinityKey(absl::string_view bytes);

// One try to have a request answered: its replicas, its image references, its
// Generate. Decides nothing about the next try. Thread-safe; lives as long as a
// call on its behalf does.
//
//   replicas picked -> images put -> Generate -> chunks -> images released
class ChatAttempt : public std::enable_shared_from_this<ChatAttempt> {
 public:
  // Borrowed until on_done. The images' bytes are taken out of `request` while
  // they are put, so that the gateway holds them once, and are back before
  // on_generate and on_done.
  struct Job {
    v1::ChatRequest& request;
    const ChatPlan& plan;
    const ChatEngine::Call& call;
    const std::string& conversation_key;
    const CallDeadline& deadline;
  };
  // Addresses of replicas that another try failed on; empty: none.
  struct Avoid {
    std::string vision, llm;
  };
  struct End {
    absl::Status status;
    // Where it failed; the address is empty when no replica was found at all.
    Backend backend = Backend::kLlm;
    std::string address;
  };
  // One at a time, from any thread.
  struct Events {
    // The images are put; the llm service is asked next.
    std::function<void()> on_generate;
    // The next chunk comes after Continue.
    std::function<void(v1::GenerateChunk)> on_chunk;
    // The end: called once, and nothing after it.
    std::function<void(End)> on_done;
  };

  ChatAttempt(ChatEngine& engine, const Job& job, Avoid avoid, Events events);
  ~ChatAttempt();

  // Once. Events may come before this returns.
  void Start() ABSL_LOCKS_EXCLUDED(mutex_);
  void Continue() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends Generate, or the try when its images are put; on_done follows. Puts
  // themselves are not cut off: an image whose reference nobody heard of could
  // not be released. Safe at any time, before Start too.
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Put;
  class GenerateCall;

  // Sets llm_ and puts_, or neither.
  absl::Status PickReplicas(Backend& backend) ABSL_LOCKS_EXCLUDED(mutex_);
  std::unique_ptr<Put> MakePut(const PlannedImage& image,
                               BackendPool::Lease vision) const;
  void PutImages();
  void OnImagePut(size_t index, const grpc::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_);
  v1::GenerateRequest MakeRequest() const;
  void Generate() ABSL_LOCKS_EXCLUDED(mutex_);
  void LeaveVision();
  void OnGenerateDone(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(End end);
  void ReleaseImages() const;

  const ChatEngine::Visit visit_;  // first: it outlives everything below
  ChatEngine& engine_;
  const Job job_;
  const Avoid avoid_;
  Events events_;

  absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  size_t num_pending_ ABSL_GUARDED_BY(mutex_) = 0;
  End put_failure_ ABSL_GUARDED_BY(mutex_);
  GenerateCall* generate_ ABSL_GUARDED_BY(mutex_) = nullptr;  // owns itself
  // Set under mutex_ by PickReplicas, fixed after.
  BackendPool::Lease llm_;
  std::vector<std::unique_ptr<Put>> puts_;  // in the order of the images
  std::unique_ptr<v1::LlmService::Stub> stub_;
  grpc::ClientContext context_;  // of Generate
};

}  // namespace tandem
