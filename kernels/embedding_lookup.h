#pragma once

#include <ATen/core/Tensor.h>

namespace tandem {

// out[t] = table[ids[t]]
//   ids    [num_tokens], int32, each in [0, vocab_size): the caller has checked
//   table  [vocab_size, hidden_size], float32 or bfloat16
//   out    [num_tokens, hidden_size], like the table
// Rows of out may be strided; its last dimension is dense. Queued on the
// table's current stream. A breach of the shapes throws c10::Error.
void EmbeddingLookup(const at::Tensor& ids, const at::Tensor& table,
                     at::Tensor& out);

}  // namespace tandem
