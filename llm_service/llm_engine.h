#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/compute_executor.h"
#include "common/metrics.h"
#include "llm_service/active_request.h"
#include "llm_service/answer.h"
#include "llm_service/answer_delivery.h"
#include "llm_service/embedding_source.h"
#include "llm_service/engine_mailbox.h"
#include "llm_service/generation.h"
#include "llm_service/kv_block_pool.h"
#include "llm_service/scheduler.h"
#include "llm_service/step.h"
#include "llm_service/tokenizer.h"

namespace tandem {

// The llm service without the network: prompts and image references in, tokens
// out. Its steps run on the executor, one piece each, so that another engine
// can use the same device between them; that thread alone touches scheduler,
// blocks, runner and requests. Everything public is thread-safe.
class LlmEngine {
 public:
  struct Options {
    int tokens_per_tile = 256;
    // Sequences that run at once; the runner's sampling slots bound it too.
    int max_running = 16;
    // Sequences that wait; the next request is refused.
    int max_waiting = 64;  // beside as many as there are free places to run
    int max_prefill_tokens = 512;
    int min_frontier_tokens = 128;
    // Tiles of one request that are held or asked for at a time.
    int window_tiles = 4;
    // Waiting sequences whose tiles are pulled ahead of their turn.
    int prefetch_waiting = 8;
    // Tokens that wait for a reader, and for how long a full ring may.
    int ring_tokens = 64;
    absl::Duration slow_reader = absl::Seconds(30);
    // How often the engine looks at deadlines while nothing else happens.
    absl::Duration tick = absl::Milliseconds(100);
  };

  // Everything borrowed must outlive the engine. The runner's pool must hold a
  // full context.
  LlmEngine(Options options, ComputeExecutor& executor, StepRunner& runner,
            const Tokenizer& tokenizer, EmbeddingSource& source,
            LlmMetrics& metrics, Clock& clock);
  // Ends every request with UNAVAILABLE DRAINING. Not on the executor's thread.
  ~LlmEngine();

  LlmEngine(const LlmEngine&) = delete;
  LlmEngine& operator=(const LlmEngine&) = delete;

  // Takes a request. `on_ready` is called when the answer has something to
  // read. RESOURCE_EXHAUSTED OVERLOADED with RetryInfo when max_waiting
  // requests wait beside those that can run at once; DEADLINE_EXCEEDED when no
  // time is left.
  //
  // The answer ends with OK, or: CANCELLED by its reader; DEADLINE_EXCEEDED, or
  // with reason SLOW_CONSUMER; an error of EmbeddingSource; INTERNAL
  // NUMERIC_FAULT; RESOURCE_EXHAUSTED DEVICE_OUT_OF_MEMORY or INTERNAL when the
  // device fails. Whatever ends it, blocks, slot and tiles are free at once.
  // A reader that still holds it slow_reader later, or when its deadline has
  // passed, is told that it has failed.
  absl::StatusOr<std::shared_ptr<Answer>> Generate(
      Generation generation, std::function<void()> on_ready);

  // Every request that has not ended is among `running` or `waiting`, and those
  // whose blocks are not free yet are among `running`.
  struct Load {
    int running = 0, waiting = 0, max_waiting = 0;
    int free_kv_blocks = 0, kv_blocks = 0;
  };
  Load load() const;

 private:
  using Requests = std::map<uint64_t, std::unique_ptr<ActiveRequest>>;
  // An answer that has ended and whose reader may not be done with it.
  struct Ended {
    std::weak_ptr<Answer> answer;  // the reader's, who drops it when done
    absl::Duration at;
    absl::Duration deadline;
  };

  void Step();
  void ReadMail();
  void Accept(EngineMailbox::Request request);
  void EndWhoMust();
  void GiveUpReaders();
  absl::Status WhyEnd(ActiveRequest& request) const;
  void StartPulls();
  std::vector<PlannedRow> Plan();
  absl::Status OpenSlot(const Sequence& sequence);
  void RunStep(const std::vector<PlannedRow>& rows);
  absl::StatusOr<StepOutput> Compute(const std::vector<PlannedRow>& rows);
  void TakeOutput(const std::vector<PlannedRow>& rows,
                  const StepOutput& output);
  void TakeToken(ActiveRequest& request, const SampledToken& token);
  void TakeFailure(const std::vector<PlannedRow>& rows,
                   const absl::Status& status);
  void Fail(uint64_t id, absl::Status status);
  void Complete(uint64_t id, AnswerEnd end);
  void Publish();
  EmbeddingSource::Sink SinkFor(uint64_t id);
  ActiveRequest& Owner(const Sequence& sequence) {
    return *requests_.at(sequence.id);
  }

  const Options options_;
  const int max_running_;  // the runner's bound counted
  ComputeExecutor& executor_;
  StepRunner& runner_;
  const Tokenizer& tokenizer_;
  EmbeddingSource& source_;
  LlmMetrics& metrics_;
  Clock& clock_;

  KvBlockPool pool_;
  std::unique_ptr<Scheduler> scheduler_;
  Requests requests_;  // by id: oldest first
  // Readers to tell after the step.
  std::vector<std::shared_ptr<Answer>> to_tell_;
  std::vector<Ended> ended_;

  // Requests that have not ended; and copies for other threads.
  std::atomic<int> num_requests_{0};
  std::atomic<int> num_running_{0};
  std::atomic<int> num_ended_{0};
  std::atomic<int> num_free_blocks_{0};
  // Shared with the callbacks of pulls, which may outlive the engine.
  const std::shared_ptr<EngineMailbox> mailbox_;
  AnswerDelivery delivery_;
};

}  // namespace tandem
