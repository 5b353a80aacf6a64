#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "kernels/attention.h"
#include "llm_service/step.h"

namespace tandem {

// What a step must stay within.
struct StepLimits {
  int vocab_size = 0;
  int num_kv_blocks = 0;
  int max_positions = 0;
  int num_sampling_slots = 0;
};

// A StepInput as the tensors that kernels read, on one device.
struct StepTensors {
  at::Tensor token_ids;  // [num_tokens] int32; 0 under embeddings
  at::Tensor positions;  // [num_tokens] int32
  at::Tensor kv_slots;   // [num_tokens] int64
  PackedSequences sequences;
  // [num_outputs] int64: rows whose logits are wanted, in order.
  at::Tensor output_rows;

  int64_t num_tokens() const { return token_ids.numel(); }
  int64_t num_outputs() const { return output_rows.numel(); }
};

// On the host. INTERNAL, naming the sequence and the bound: a step that breaks
// the limits is a mistake of the scheduler's, and must not reach memory of
// others.
absl::StatusOr<StepTensors> MakeStepTensors(const StepInput& input,
                                            const StepLimits& limits);

// The same on `device`, queued on its current stream; itself on a CPU.
StepTensors ToDevice(const StepTensors& step, at::Device device);

}  // namespace tandem
