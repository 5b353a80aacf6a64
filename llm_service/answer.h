#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "tandem/v1/types.pb.h"

namespace tandem {

// One token of an answer, and the text that became certain with it.
struct AnswerToken {
  int token_id = -1;
  std::string text;  // whole UTF-8 characters
  // Where asked for: log-softmax of the raw logits.
  float logprob = 0;
  std::vector<std::pair<int, float>> top;  // token id, log probability
  absl::Duration sampled_at;               // Clock::Monotonic
};

// How an answer ended. The rest is set where `status` is OK.
struct AnswerEnd {
  absl::Status status;
  v1::FinishReason finish_reason = v1::FINISH_REASON_UNSPECIFIED;
  std::string text;  // what was held back
  v1::Usage usage;
  // image_decode to prefill; the reporting service adds what it alone knows.
  v1::Timings timings;
};

// The ring between the engine, which writes an answer, and the call that reads
// it. It holds `capacity` tokens: a full ring pauses the sequence, it never
// loses a token. Thread-safe; one writer, one reader.
class Answer {
 public:
  // `on_ready` is called, never under a lock, when there is something to read
  // and the reader has not been told since its last Read, and when the answer
  // has failed. `on_reader` is called
  // by the reader when a full ring has room again, and when it cancels.
  Answer(int capacity, std::function<void()> on_ready,
         std::function<void()> on_reader);

  // The reader's side.
  struct Batch {
    std::vector<AnswerToken> tokens;
    absl::optional<AnswerEnd> end;  // after `tokens`; nothing follows it
  };
  // Everything there is now; empty when there is nothing.
  Batch Read() ABSL_LOCKS_EXCLUDED(mutex_);
  // Not OK where the answer has failed and the end was not read yet, and from
  // GiveUp on.
  absl::Status failure() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Nobody reads any more. The engine ends the sequence within a step.
  void Cancel();

  // The writer's side. True where the reader has to be told (Notify).
  bool Push(AnswerToken token) ABSL_LOCKS_EXCLUDED(mutex_);
  bool End(AnswerEnd end) ABSL_LOCKS_EXCLUDED(mutex_);
  // The answer has ended, but its reader has had its time: failure() is `why`
  // from now on. The reader has to be told.
  void GiveUp(absl::Status why) ABSL_LOCKS_EXCLUDED(mutex_);
  bool full() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool cancelled() const { return cancelled_; }
  void Notify() { on_ready_(); }

 private:
  bool MustTell() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int capacity_;
  const std::function<void()> on_ready_;
  const std::function<void()> on_reader_;
  std::atomic<bool> cancelled_{false};
  mutable absl::Mutex mutex_;
  Batch batch_ ABSL_GUARDED_BY(mutex_);
  absl::Status given_up_ ABSL_GUARDED_BY(mutex_);
  bool told_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tandem
