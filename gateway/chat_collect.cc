#include "gateway/chat_collect.h"

#include <utility>

namespace tandem {

void CollectChunk(v1::ChatChunk chunk, v1::ChatResponse& whole) {
  whole.set_id(chunk.id());
  whole.set_model(chunk.model());
  whole.set_created(chunk.created());
  whole.set_system_fingerprint(chunk.system_fingerprint());
  whole.mutable_text()->append(chunk.delta_text());
  whole.mutable_token_ids()->MergeFrom(chunk.token_ids());
  whole.mutable_logprobs()->MergeFrom(chunk.logprobs());
  if (chunk.finish_reason() == v1::FINISH_REASON_UNSPECIFIED) return;
  whole.set_finish_reason(chunk.finish_reason());
  *whole.mutable_usage() = std::move(*chunk.mutable_usage());
  *whole.mutable_timings_ms() = std::move(*chunk.mutable_timings_ms());
}

}  // namespace tandem
