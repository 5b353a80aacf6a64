#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gateway/chat_engine.h"
#include "tandem/v1/llm.pb.h"
#include "tandem/v1/vision.pb.h"

namespace tandem {

// One request on its way through the backends. Made by ChatEngine::Chat; lives
// as long as a call on its behalf does. Thread-safe.
//
//   admitted -> images put -> Generate -> chunks -> done
//                   ^             |
//                   +-- once, before the first chunk
class ChatSession : public std::enable_shared_from_this<ChatSession> {
 public:
  ChatSession(ChatEngine& engine, const v1::ChatRequest& request,
              ChatEngine::Call call, ChatEngine::Events events);

  // Begins; once. Events may come before this returns.
  void Start() ABSL_LOCKS_EXCLUDED(mutex_);

  // The last chunk was taken: the next may come.
  void Continue() ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends all work; on_done follows, with CANCELLED unless it ended before. Safe
  // at any time, before Start too.
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class ChatEngine;
  struct Attempt;
  class GenerateCall;
  using AttemptPtr = std::shared_ptr<Attempt>;

  void StartAttempt() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status PutImages(const AttemptPtr& attempt);
  void OnImagePut(const AttemptPtr& attempt, size_t index,
                  const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void StartGenerate(const AttemptPtr& attempt) ABSL_LOCKS_EXCLUDED(mutex_);
  v1::GenerateRequest MakeGenerateRequest(const Attempt& attempt) const;
  void OnChunk(v1::GenerateChunk chunk) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnGenerateDone(const AttemptPtr& attempt, const absl::Status& status,
                      bool transport_failed) ABSL_LOCKS_EXCLUDED(mutex_);
  void AttemptFailed(const AttemptPtr& attempt, absl::Status status)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool MayRetry(const absl::Status& status) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Outward(absl::Status status) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  void ReleaseImages(const Attempt& attempt) const;

  void MeasureChunk(int num_tokens) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::Timings MeasureEnd(const v1::Timings& llm)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountEnd(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Fixed after Start.
  ChatEngine& engine_;
  const v1::ChatRequest& request_;
  const ChatEngine::Call call_;
  const ChatEngine::Events events_;
  const std::string id_;
  const int64_t created_;
  const absl::Duration received_;  // monotonic, as all times here
  ChatPlan plan_;
  std::string model_;
  std::string system_fingerprint_;

  absl::Mutex mutex_;
  std::unique_ptr<Admission::Ticket> ticket_ ABSL_GUARDED_BY(mutex_);
  AttemptPtr attempt_ ABSL_GUARDED_BY(mutex_);
  int num_attempts_ ABSL_GUARDED_BY(mutex_) = 0;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_last_chunk_ ABSL_GUARDED_BY(mutex_) = false;
  int num_tokens_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration admitted_ ABSL_GUARDED_BY(mutex_);
  absl::Duration generate_begin_ ABSL_GUARDED_BY(mutex_);
  absl::Duration first_chunk_ ABSL_GUARDED_BY(mutex_);
  absl::Duration last_chunk_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
