#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "gateway/call_deadline.h"
#include "gateway/chat_attempt.h"
#include "gateway/chat_engine.h"
#include "grpcpp/alarm.h"

namespace tandem {

// One request on its way: admission, at most two tries, its deadline, what the
// client is told. Made by ChatEngine::NewSession; lives as long as a call on
// its behalf does. Thread-safe.
class ChatSession : public std::enable_shared_from_this<ChatSession> {
 public:
  ChatSession(ChatEngine& engine, v1::ChatRequest request,
              ChatEngine::Call call, ChatEngine::Events events);

  // Begins; once. Events may come before this returns.
  void Start() ABSL_LOCKS_EXCLUDED(mutex_);

  // The last chunk was taken: the next may come.
  void Continue() ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends all work; on_done follows, with CANCELLED unless it ended before. Safe
  // at any time, before Start too.
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status Prepare(const AccessPass* pass);
  void OnAdmitted() ABSL_LOCKS_EXCLUDED(mutex_);
  void StartAttempt() ABSL_LOCKS_EXCLUDED(mutex_);
  ChatAttempt::Events AttemptEvents();
  void OnChunk(v1::GenerateChunk chunk) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnAttemptDone(ChatAttempt::End end) ABSL_LOCKS_EXCLUDED(mutex_);
  void Stop(absl::Status why) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnTimer() ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  bool MayRetry(const ChatAttempt::End& end) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Outward(absl::Status status) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FreeImages() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the request's key is charged, as it ends.
  int64_t TokensToCharge() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void MeasureChunk(int num_tokens) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::Timings MeasureLastChunk(const v1::Timings& llm)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountStages(absl::Duration end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountEnd(const absl::Status& status, absl::Duration end,
                const AccessPass* pass) ABSL_LOCKS_EXCLUDED(mutex_);

  const ChatEngine::Visit visit_;  // first: it outlives everything below
  ChatEngine& engine_;
  const ChatEngine::Events events_;
  ChatEngine::Call call_;  // its pass is pass_
  const std::string id_;
  const int64_t created_;
  const absl::Duration received_;  // monotonic, as all times here
  const CallDeadline deadline_;

  // Set by Start before anything else runs, and read by tries, which borrow
  // the images.
  v1::ChatRequest request_;  // loses its images with the first token
  ChatPlan plan_;
  std::string conversation_key_;
  std::string model_;
  std::string system_fingerprint_;
  int64_t prompt_estimate_ = 0;  // in tokens, until the usage is known

  absl::Mutex mutex_;
  bool starting_ ABSL_GUARDED_BY(mutex_) = false;
  bool admitted_early_ ABSL_GUARDED_BY(mutex_) = false;  // while starting_
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status stop_ ABSL_GUARDED_BY(mutex_);  // why it was told to end
  std::unique_ptr<grpc::Alarm> timer_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Admission::Ticket> ticket_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<AccessPass> pass_ ABSL_GUARDED_BY(mutex_);  // until the end
  std::shared_ptr<ChatAttempt> attempt_ ABSL_GUARDED_BY(mutex_);
  int num_attempts_ ABSL_GUARDED_BY(mutex_) = 0;
  ChatAttempt::Avoid avoid_ ABSL_GUARDED_BY(mutex_);
  bool holds_images_ ABSL_GUARDED_BY(mutex_) = true;
  bool has_chunk_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_last_chunk_ ABSL_GUARDED_BY(mutex_) = false;
  int num_tokens_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::optional<int64_t> usage_ ABSL_GUARDED_BY(mutex_);  // with last chunk
  v1::Timings llm_timings_ ABSL_GUARDED_BY(mutex_);
  absl::Duration admitted_ ABSL_GUARDED_BY(mutex_);
  absl::optional<absl::Duration> generate_begin_ ABSL_GUARDED_BY(mutex_);
  absl::optional<absl::Duration> first_token_ ABSL_GUARDED_BY(mutex_);
  absl::Duration last_token_ ABSL_GUARDED_BY(mutex_);
  // Since when the client has a chunk and did not say Continue.
  absl::optional<absl::Duration> chunk_given_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
