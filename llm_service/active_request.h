#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/metrics.h"
#include "llm_service/answer.h"
#include "llm_service/answer_text.h"
#include "llm_service/embedding_buffer.h"
#include "llm_service/embedding_source.h"
#include "llm_service/generation.h"
#include "llm_service/sequence.h"
#include "llm_service/stage_timeline.h"

namespace tandem {

// One request inside the engine: its sequence, the tiles that have come for it,
// its text and its answer. The engine's thread owns it.
class ActiveRequest {
 public:
  ActiveRequest(uint64_t id, Generation generation, const Tokenizer& tokenizer,
                int tokens_per_tile, std::shared_ptr<Answer> answer);

  const Generation& generation() const { return generation_; }
  Sequence& sequence() { return sequence_; }
  const Sequence& sequence() const { return sequence_; }
  const std::shared_ptr<Answer>& answer() const { return answer_; }
  EmbeddingBuffer& embeddings() { return embeddings_; }
  StageTimeline& timeline() { return timeline_; }

  // Where the request stands: kTransfer, kDecodeQueue, kPrefill or kDecode.
  Stage stage() const;

  // There are tiles that nobody has asked for yet.
  bool needs_pull() const {
    return pull_ == nullptr && embeddings_.num_tiles() > 0;
  }
  // Asks for them.
  void StartPull(EmbeddingSource& source, int window_tiles,
                 EmbeddingSource::Sink sink);
  // A tile came. INTERNAL where it fits nowhere.
  absl::Status TakeTile(PulledTile pulled);

  // `num_tokens` behind num_cached are in the cache now: their tiles go, and
  // there is room for others.
  void Advance(int num_tokens);

  // Appends a sampled token to sequence and answer. Sets end() when the answer
  // is complete: a stop token, a stop string or max_tokens, in this order.
  // True where the reader has to be told.
  bool TakeToken(const SampledToken& token, absl::Duration now);

  // Not nullptr once the answer is complete.
  const AnswerEnd* end() const { return end_ ? &*end_ : nullptr; }

  // How long the reader has left the ring full; 0 when it is not.
  absl::Duration StalledFor(absl::Duration now);

 private:
  AnswerEnd MakeEnd(v1::FinishReason reason, std::string text) const;

  const Generation generation_;
  const std::shared_ptr<Answer> answer_;  // shared with the call that reads it
  Sequence sequence_;
  EmbeddingBuffer embeddings_;
  std::unique_ptr<EmbeddingSource::Handle> pull_;
  AnswerText text_;
  StageTimeline timeline_;
  absl::Duration first_token_at_;
  absl::optional<absl::Duration> full_since_;
  absl::optional<AnswerEnd> end_;
};

}  // namespace tandem
