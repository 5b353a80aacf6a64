#include "llm_service/kv_block_pool.h"

#include <utility>

namespace tandem {

KvBlockPool::Lease::Lease(KvBlockPool* pool, std::vector<int> blocks)
    : pool_(pool), blocks_(std::move(blocks)) {}

KvBlockPool::Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      blocks_(std::exchange(other.blocks_, {})) {}

KvBlockPool::Lease& KvBlockPool::Lease::operator=(Lease&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(blocks_, other.blocks_);
  // What this held goes now, not whenever `other` does.
  Lease(std::move(other));
  return *this;
}

KvBlockPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->GiveBack(blocks_);
}

KvBlockPool::KvBlockPool(int num_blocks) : num_blocks_(num_blocks) {
  for (int block = 1; block <= num_blocks; ++block) free_.push(block);
}

absl::optional<KvBlockPool::Lease> KvBlockPool::Take(int count) {
  if (count > num_free()) return absl::nullopt;
  std::vector<int> blocks;
  blocks.reserve(count);
  for (int i = 0; i < count; ++i) {
    blocks.push_back(free_.top());
    free_.pop();
  }
  return Lease(this, std::move(blocks));
}

void KvBlockPool::GiveBack(const std::vector<int>& blocks) {
  for (const int block : blocks) free_.push(block);
}

}  // namespace tandem
