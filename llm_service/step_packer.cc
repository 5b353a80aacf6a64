#include "llm_service/step_packer.h"

#include <utility>

namespace tandem {

void StepPacker::Add(const PlannedRow& row, const EmbeddingBuffer& embeddings) {
  const Sequence& sequence = *row.sequence;
  const int slot = static_cast<int>(input_.token_ids.size());
  const auto first = sequence.token_ids.begin() + sequence.num_cached;
  input_.token_ids.insert(input_.token_ids.end(), first,
                          first + row.num_tokens);
  for (const EmbeddingRows& rows :
       embeddings.Rows(sequence.num_cached, row.num_tokens, slot)) {
    input_.embeddings.push_back(rows);
  }
  StepSequence packed;
  packed.block_table = sequence.kv.blocks();
  packed.num_cached = sequence.num_cached;
  packed.num_new = row.num_tokens;
  if (row.samples()) {
    packed.sampling_slot = sequence.sampling_slot;
    ++num_sampled_;
  }
  input_.sequences.push_back(std::move(packed));
}

}  // namespace tandem
