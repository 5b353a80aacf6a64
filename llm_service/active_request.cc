#include "llm_service/active_request.h"

#include <algorithm>
#include <utility>

#include "common/status_macros.h"

namespace tandem {

ActiveRequest::ActiveRequest(uint64_t id, Generation generation,
                             const Tokenizer& tokenizer, int tokens_per_tile,
                             std::shared_ptr<Answer> answer)
    : generation_(std::move(generation)),
      answer_(std::move(answer)),
      embeddings_(generation_.prompt.images, tokens_per_tile,
                  static_cast<int>(generation_.prompt.token_ids.size())),
      text_(tokenizer, generation_.stop),
      timeline_(generation_.received) {
  sequence_.id = id;
  sequence_.token_ids = generation_.prompt.token_ids;
  sequence_.num_prompt = static_cast<int>(sequence_.token_ids.size());
  sequence_.max_tokens = generation_.max_tokens;
  sequence_.ready_frontier = embeddings_.frontier();
}

Stage ActiveRequest::stage() const {
  if (sequence_.decoding()) return Stage::kDecode;
  if (sequence_.ready_frontier < sequence_.num_prompt) return Stage::kTransfer;
  return sequence_.running() ? Stage::kPrefill : Stage::kDecodeQueue;
}

void ActiveRequest::StartPull(EmbeddingSource& source, int window_tiles,
                              EmbeddingSource::Sink sink) {
  EmbeddingPull pull;
  pull.request_id = generation_.request_id;
  pull.images = generation_.images;
  pull.window_tiles = window_tiles;
  pull.deadline = generation_.deadline;
  pull_ = source.Start(std::move(pull), std::move(sink));
}

absl::Status ActiveRequest::TakeTile(PulledTile pulled) {
  timeline_.TileArrived(pulled.asked, pulled.arrived, pulled.tile.timings);
  TANDEM_RETURN_IF_ERROR(embeddings_.Put(std::move(pulled.tile)));
  sequence_.ready_frontier = embeddings_.frontier();
  return absl::OkStatus();
}

void ActiveRequest::Advance(int num_tokens) {
  sequence_.num_cached += num_tokens;
  const int released = embeddings_.Release(sequence_.num_cached);
  if (released > 0 && pull_ != nullptr) pull_->AddRoom(released);
}

bool ActiveRequest::TakeToken(const SampledToken& token, absl::Duration now) {
  sequence_.token_ids.push_back(token.token_id);
  if (sequence_.num_generated() == 1) first_token_at_ = now;
  const std::vector<int>& stops = generation_.sampling.stop_token_ids;
  const bool stop_token =
      std::find(stops.begin(), stops.end(), token.token_id) != stops.end();
  AnswerToken out;
  out.token_id = token.token_id;
  const bool may_stop =
      sequence_.num_generated() >= generation_.sampling.min_tokens;
  if (!stop_token) out.text = text_.Add(token.token_id, may_stop);
  out.logprob = token.logprob;
  out.top = token.top;
  out.sampled_at = now;
  if (stop_token) {
    end_ = MakeEnd(v1::FINISH_REASON_STOP, text_.Finish());
  } else if (text_.stopped()) {
    end_ = MakeEnd(v1::FINISH_REASON_STOP, "");
  } else if (sequence_.num_generated() == sequence_.max_tokens) {
    end_ = MakeEnd(v1::FINISH_REASON_LENGTH, text_.Finish());
  }
  return answer_->Push(std::move(out));
}

absl::Duration ActiveRequest::StalledFor(absl::Duration now) {
  if (!answer_->full()) {
    full_since_.reset();
    return absl::ZeroDuration();
  }
  if (!full_since_.has_value()) full_since_ = now;
  return now - *full_since_;
}

AnswerEnd ActiveRequest::MakeEnd(v1::FinishReason reason,
                                 std::string text) const {
  AnswerEnd end;
  end.finish_reason = reason;
  end.text = std::move(text);
  end.usage.set_prompt_tokens(sequence_.num_prompt);
  end.usage.set_completion_tokens(sequence_.num_generated());
  end.usage.set_image_tokens(generation_.prompt.num_image_tokens());
  end.timings = timeline_.Stages(first_token_at_);
  return end;
}

}  // namespace tandem
