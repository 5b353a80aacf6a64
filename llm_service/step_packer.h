#pragma once

#include "llm_service/embedding_buffer.h"
#include "llm_service/scheduler.h"
#include "llm_service/step.h"

namespace tandem {

// Packs planned rows into the input of one step, without padding.
class StepPacker {
 public:
  // Appends a row; its image tokens come from `embeddings`, which must keep
  // them until the step has been collected.
  void Add(const PlannedRow& row, const EmbeddingBuffer& embeddings);

  const StepInput& input() const { return input_; }
  // Rows that want a token.
  int num_sampled() const { return num_sampled_; }

 private:
  StepInput input_;
  int num_sampled_ = 0;
};

}  // namespace tandem
