#include "llm_service/kv_pool_size.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tandem {

absl::StatusOr<int> ChooseKvBlocks(const KvPoolWish& wish) {
  if (wish.blocks > 0 && wish.blocks < wish.context_blocks) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--kv-blocks ", wish.blocks, " holds less than one context, which is ",
        wish.context_blocks, " blocks"));
  }
  if (wish.blocks > 0) return wish.blocks;
  const int64_t affordable = wish.pool_bytes / wish.block_bytes;
  const int64_t useful = int64_t{wish.max_running} * wish.context_blocks;
  return static_cast<int>(
      std::clamp<int64_t>(affordable, wish.context_blocks, useful));
}

}  // namespace tandem
