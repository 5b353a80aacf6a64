#include "kernels/embedding_lookup.h"

#include <c10/util/Exception.h>

#include <cstring>

#include "kernels/checks.h"
#include "kernels/kernel_set.h"
#include "kernels/plain/plain.h"

namespace tandem {
namespace cpu {
namespace {

void EmbeddingLookup(const at::Tensor& ids, const at::Tensor& table,
                     at::Tensor& out) {
  const int32_t* id = ids.data_ptr<int32_t>();
  const auto item = static_cast<int64_t>(table.element_size());
  const auto* from = static_cast<const char*>(table.data_ptr());
  auto* to = static_cast<char*>(out.data_ptr());
  for (int64_t t = 0; t < ids.numel(); ++t) {
    std::memcpy(to + t * out.stride(0) * item,
                from + id[t] * table.stride(0) * item, table.size(1) * item);
  }
}

}  // namespace
}  // namespace cpu

void EmbeddingLookup(const at::Tensor& ids, const at::Tensor& table,
                     at::Tensor& out) {
  CheckTensor("EmbeddingLookup", "table", table, 2);
  CheckLike("EmbeddingLookup", "out", out, table);
  TORCH_CHECK(ids.scalar_type() == at::kInt && ids.is_contiguous() &&
                  ids.device() == table.device(),
              "EmbeddingLookup: ids are not dense int32 on ", table.device());
  TORCH_CHECK(out.size(0) == ids.numel() && out.size(1) == table.size(1),
              "EmbeddingLookup: out is ", out.sizes(), " for ", ids.numel(),
              " ids");
  switch (KernelSetOf("EmbeddingLookup", table.device())) {
    case KernelSet::kCpu:
      return cpu::EmbeddingLookup(ids, table, out);
    case KernelSet::kPlain:
      return plain::EmbeddingLookup(ids, table, out);
  }
}

}  // namespace tandem
