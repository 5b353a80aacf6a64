#pragma once

#include <deque>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/http_server.h"
#include "gateway/call_record.h"
#include "gateway/chat_engine.h"
#include "gateway/openai_request.h"
#include "gateway/openai_response.h"

namespace tandem {

// One answer of the OpenAI-compatible API on its way from a chat session to an
// HTTP exchange, streamed as server-sent events or whole.
//
// Streamed: an event a chunk, each sent by itself, and the next chunk asked for
// when the last one is out. The status line waits for the first chunk, so a
// request that fails before it gets its own HTTP status; after `silence`
// without an event, a comment keeps the connection alive, and with it the
// status line is 200. A failure after that is an error event, then [DONE].
//
// A client that leaves cancels the session. Owned by the callbacks of session
// and exchange. Thread-safe.
class OpenAiAnswer : public std::enable_shared_from_this<OpenAiAnswer> {
 public:
  struct Options {
    OpenAiForm form;
    bool stream = false;
    std::string request_id;
    absl::Duration silence = absl::Seconds(15);
  };
  // `record` is ended with the answer. `clock` outlives this.
  OpenAiAnswer(Options options, Clock& clock,
               std::shared_ptr<HttpExchange> exchange,
               std::unique_ptr<CallRecord> record);

  // Once, or Fail instead. `engine` outlives the session.
  void Start(ChatEngine& engine, v1::ChatRequest request, ChatEngine::Call call)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The answer of a request that ended before it had a session.
  void Fail(const absl::Status& status) { OnDone(status); }

 private:
  void OnChunk(v1::ChatChunk chunk) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnWritten() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnGone() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnSilence() ABSL_LOCKS_EXCLUDED(mutex_);

  void Send(std::string event, bool is_chunk)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndStream(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetTimer(absl::Duration delay) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  Clock& clock_;
  const std::shared_ptr<HttpExchange> exchange_;

  absl::Mutex mutex_;
  std::unique_ptr<CallRecord> record_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ChatSession> session_ ABSL_GUARDED_BY(mutex_);
  OpenAiChunks chunks_ ABSL_GUARDED_BY(mutex_);
  v1::ChatResponse whole_ ABSL_GUARDED_BY(mutex_);
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;  // the head is out
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration last_sent_ ABSL_GUARDED_BY(mutex_);
  // Of the events on their way: whether the session waits for it.
  std::deque<bool> in_flight_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
