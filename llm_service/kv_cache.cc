#include "llm_service/kv_cache.h"

#include <ATen/ops/empty.h>

#include "common/status_macros.h"
#include "kernels/attention.h"
#include "kernels/scalar_type.h"
#include "kernels/torch_status.h"

namespace tandem {

static_assert(kKvBlockTokens == kAttentionBlockTokens);

int64_t KvLayout::bytes_per_block() const {
  const auto item = static_cast<int64_t>(ElementSize(dtype));
  return int64_t{2} * num_layers * kKvBlockTokens * num_kv_heads * head_dim *
         item;
}

KvLayout MakeKvLayout(const TextConfig& config, DType dtype) {
  return {.num_layers = config.num_layers,
          .num_kv_heads = config.num_kv_heads,
          .head_dim = config.head_dim,
          .dtype = dtype};
}

absl::StatusOr<KvCache> KvCache::Allocate(const KvLayout& layout,
                                          int num_blocks, at::Device device) {
  KvCache cache(layout, num_blocks);
  const auto options =
      at::TensorOptions().dtype(ToScalarType(layout.dtype)).device(device);
  TANDEM_RETURN_IF_ERROR(TorchToStatus([&] {
    for (int layer = 0; layer < layout.num_layers; ++layer) {
      for (auto* tensors : {&cache.keys_, &cache.values_}) {
        tensors->push_back(at::empty({num_blocks + 1, kKvBlockTokens,
                                      layout.num_kv_heads, layout.head_dim},
                                     options));
      }
    }
    return absl::OkStatus();
  }));
  return cache;
}

}  // namespace tandem
