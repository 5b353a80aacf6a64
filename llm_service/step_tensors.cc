#include "llm_service/step_tensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "llm_service/kv_cache.h"

namespace tandem {
namespace {

template <typename T>
at::Tensor ToTensor(const std::vector<T>& values) {
  const auto type = sizeof(T) == sizeof(int64_t) ? at::kLong : at::kInt;
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())},
                                at::TensorOptions().dtype(type));
  std::copy(values.begin(), values.end(), tensor.data_ptr<T>());
  return tensor;
}

absl::Status Outside(absl::string_view what, int64_t value, int64_t low,
                     int64_t high) {
  return absl::InternalError(absl::StrCat(
      "step: ", what, " ", value, " is outside [", low, ", ", high, "]"));
}

absl::Status CheckSequence(const StepSequence& sequence,
                           const StepLimits& limits) {
  const int64_t end = int64_t{sequence.num_cached} + sequence.num_new;
  if (sequence.num_cached < 0 || sequence.num_new < 1 ||
      end > limits.max_positions) {
    return Outside("end of the sequence's tokens", end, 1,
                   limits.max_positions);
  }
  const auto blocks = static_cast<int64_t>(sequence.block_table.size());
  if (KvBlocksFor(end) > blocks) {
    return Outside("KV blocks that are needed", KvBlocksFor(end), 0, blocks);
  }
  for (const int block : sequence.block_table) {
    if (block < 1 || block > limits.num_kv_blocks) {
      return Outside("KV block", block, 1, limits.num_kv_blocks);
    }
  }
  const int slot = sequence.sampling_slot;
  if (slot < -1 || slot >= limits.num_sampling_slots) {
    return Outside("sampling slot", slot, -1, limits.num_sampling_slots - 1);
  }
  return absl::OkStatus();
}

// Ids with zeros under the embeddings.
absl::StatusOr<std::vector<int32_t>> LookedUpIds(const StepInput& input,
                                                 const StepLimits& limits) {
  std::vector<int32_t> ids(input.token_ids.begin(), input.token_ids.end());
  const auto size = static_cast<int64_t>(ids.size());
  int64_t next = 0;
  for (const EmbeddingRows& rows : input.embeddings) {
    const int64_t end = int64_t{rows.first_slot} + rows.num_rows;
    if (rows.first_slot < next || rows.num_rows < 0 || end > size) {
      return Outside("embedding row", rows.first_slot, next, size - 1);
    }
    std::fill(ids.begin() + rows.first_slot, ids.begin() + end, 0);
    next = end;
  }
  for (const int32_t id : ids) {
    if (id < 0 || id >= limits.vocab_size) {
      return Outside("token id", id, 0, limits.vocab_size - 1);
    }
  }
  return ids;
}

at::Tensor BlockTables(const std::vector<StepSequence>& sequences) {
  size_t longest = 1;
  for (const StepSequence& s : sequences) {
    longest = std::max(longest, s.block_table.size());
  }
  at::Tensor tables = at::zeros(
      {static_cast<int64_t>(sequences.size()), static_cast<int64_t>(longest)},
      at::TensorOptions().dtype(at::kInt));
  auto* row = tables.data_ptr<int32_t>();
  for (const StepSequence& s : sequences) {
    std::copy(s.block_table.begin(), s.block_table.end(), row);
    row += longest;
  }
  return tables;
}

}  // namespace

absl::StatusOr<StepTensors> MakeStepTensors(const StepInput& input,
                                            const StepLimits& limits) {
  TANDEM_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                          LookedUpIds(input, limits));
  std::vector<int32_t> positions, first_row = {0}, num_cached;
  std::vector<int64_t> kv_slots, output_rows;
  for (const StepSequence& sequence : input.sequences) {
    TANDEM_RETURN_IF_ERROR(CheckSequence(sequence, limits));
    for (int i = 0; i < sequence.num_new; ++i) {
      const int position = sequence.num_cached + i;
      const int64_t block = sequence.block_table[position / kKvBlockTokens];
      positions.push_back(position);
      kv_slots.push_back(block * kKvBlockTokens + position % kKvBlockTokens);
    }
    num_cached.push_back(sequence.num_cached);
    first_row.push_back(static_cast<int32_t>(positions.size()));
    if (sequence.sampling_slot >= 0)
      output_rows.push_back(first_row.back() - 1);
  }
  if (positions.size() != ids.size()) {
    return Outside("number of token ids", static_cast<int64_t>(ids.size()),
                   static_cast<int64_t>(positions.size()),
                   static_cast<int64_t>(positions.size()));
  }
  StepTensors step;
  step.token_ids = ToTensor(ids);
  step.positions = ToTensor(positions);
  step.kv_slots = ToTensor(kv_slots);
  step.output_rows = ToTensor(output_rows);
  PackedSequences& sequences = step.sequences;
  sequences.first_row = sequences.host_first_row = ToTensor(first_row);
  sequences.num_cached = sequences.host_num_cached = ToTensor(num_cached);
  sequences.block_table = BlockTables(input.sequences);
  return step;
}

StepTensors ToDevice(const StepTensors& step, at::Device device) {
  if (device.is_cpu()) return step;
  StepTensors there = step;
  for (at::Tensor* tensor :
       {&there.token_ids, &there.positions, &there.kv_slots, &there.output_rows,
        &there.sequences.first_row, &there.sequences.num_cached,
        &there.sequences.block_table}) {
    *tensor = tensor->to(device, /*non_blocking=*/true);
  }
  return there;
}

}  // namespace tandem
