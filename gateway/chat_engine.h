#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/metrics.h"
#include "common/trace_context.h"
#include "gateway/access_account.h"
#include "gateway/admission.h"
#include "gateway/backend_pool.h"
#include "gateway/chat_plan.h"
#include "tandem/v1/gateway.pb.h"

namespace tandem {

class ChatSession;
class TokenCount;

// The gateway without its public protocols: admits requests, puts their images
// to a vision replica, has an llm replica answer, retries once before the first
// token, and tells where the time went. Thread-safe; nothing here waits or
// computes.
class ChatEngine {
 public:
  struct Options {
    ChatLimits limits;
    Admission::Options admission;
    // The model's public name; empty: as the llm service calls it.
    std::string served_name;
    bool allow_shared_device = false;
    // CountTokens calls at a time; the next one is refused.
    int max_counts = 64;
    // A client that does not take a chunk for so long loses its answer.
    absl::Duration reader_timeout = absl::Seconds(30);
  };

  // Something that uses the engine and has a deadline: a session, a call.
  class Visit {
   public:
    explicit Visit(ChatEngine& engine);
    ~Visit();
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    ChatEngine& engine_;
  };

  // Everything borrowed must outlive the engine.
  ChatEngine(Options options, Clock& clock, BackendPool& vision,
             BackendPool& llm, GatewayMetrics& metrics);
  // Waits for the last visit: calls end a moment after their callers have heard
  // so, and nobody waits for the release of images. Sessions must have ended.
  ~ChatEngine() ABSL_LOCKS_EXCLUDED(mutex_);

  // About one call of a public protocol.
  struct Call {
    std::string request_id;
    absl::Time deadline;
    // Of AccessControl::Enter; null: everybody is served. Let go of before the
    // call's caller hears of its end.
    std::shared_ptr<AccessPass> pass = nullptr;
    // The gateway's span for it: the parent of its calls on services.
    TraceContext trace = {};

    // What a call on its behalf carries: its id and its trace.
    void SetHeaders(grpc::ClientContext& context) const;
  };

  // What a session tells its caller, one event at a time, from any thread.
  struct Events {
    // The next chunk comes after ChatSession::Continue.
    std::function<void(v1::ChatChunk)> on_chunk;
    // The end: called once, and nothing after it.
    std::function<void(absl::Status)> on_done;
  };

  // An answer to be: ChatSession::Start begins it. Errors, also those of a bad
  // request, come through on_done; they are those of ChatService.Chat.
  std::shared_ptr<ChatSession> NewSession(v1::ChatRequest request, Call call,
                                          Events events);

  // A count to be: TokenCount::Start begins it. `done` is called once; errors
  // are those of ChatService.CountTokens.
  std::shared_ptr<TokenCount> NewTokenCount(
      Call call,
      std::function<void(absl::StatusOr<v1::CountTokensResponse>)> done);

  // The served model. PERMISSION_DENIED ACCESS_DENIED for one that `pass`
  // (null: everybody's) is not for, whether it is served or not; NOT_FOUND
  // MODEL_NOT_FOUND for another name than the served one (empty is any);
  // UNAVAILABLE while no llm service has answered yet.
  absl::StatusOr<v1::Model> GetModel(absl::string_view name,
                                     const AccessPass* pass) const;
  // All served models that `pass` is for. UNAVAILABLE as above.
  absl::StatusOr<std::vector<v1::Model>> ListModels(
      const AccessPass* pass) const;

  // Whether an llm service takes calls now.
  bool is_ready() const { return llm_.num_ready() > 0; }

  const Options& options() const { return options_; }
  const Admission& admission() const { return admission_; }

 private:
  friend class ChatAttempt;
  friend class ChatSession;
  friend class TokenCount;
  uint32_t MaxTiles(const BackendInfo& llm) const;
  // What any llm service said; UNAVAILABLE before one did.
  absl::StatusOr<BackendInfo> LlmInfo() const;
  // What the backends will do to an image that says nothing: with the lower one
  // of their two max_tiles.
  absl::StatusOr<Preprocessing> BackendPreprocessing() const;

  const Options options_;
  Clock& clock_;
  BackendPool& vision_;
  BackendPool& llm_;
  GatewayMetrics& metrics_;
  Admission admission_;
  Admission counts_;

  absl::Mutex mutex_;
  int num_visits_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tandem
