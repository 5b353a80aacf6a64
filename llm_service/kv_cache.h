#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/dtype.h"
#include "common/model_config.h"
#include "llm_service/step.h"

namespace tandem {

// The shape of the key-value memory of a model.
struct KvLayout {
  int num_layers = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  DType dtype = DType::kBFloat16;

  // Bytes of one block of kKvBlockTokens tokens: keys and values, all layers.
  int64_t bytes_per_block() const;
};

KvLayout MakeKvLayout(const TextConfig& config, DType dtype);

// The memory itself: for each layer keys and values, separate tensors of
// [num_blocks + 1, 64, num_kv_heads, head_dim]. Block 0 is scratch: nobody owns
// it, padding writes there. Memory is not touched before it is written, so on a
// CPU an unused block costs address space alone.
class KvCache {
 public:
  // RESOURCE_EXHAUSTED DEVICE_OUT_OF_MEMORY.
  static absl::StatusOr<KvCache> Allocate(const KvLayout& layout,
                                          int num_blocks, at::Device device);

  const KvLayout& layout() const { return layout_; }
  int num_blocks() const { return num_blocks_; }
  at::Tensor& keys(int layer) { return keys_[layer]; }
  at::Tensor& values(int layer) { return values_[layer]; }

 private:
  KvCache(const KvLayout& layout, int num_blocks)
      : layout_(layout), num_blocks_(num_blocks) {}

  KvLayout layout_;
  int num_blocks_ = 0;
  std::vector<at::Tensor> keys_, values_;
};

}  // namespace tandem
