#pragma once

#include <functional>
#include <queue>
#include <vector>

#include "absl/types/optional.h"

namespace tandem {

// Who has which KV blocks, by number; the memory itself is the step runner's.
// Blocks are 1 .. num_blocks: block 0 is scratch and never given away. The
// lowest free numbers go first, so that memory that was never needed is never
// touched. Not thread-safe: the engine's thread owns it.
class KvBlockPool {
 public:
  // Some blocks, given back when it goes. The pool must outlive it.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();

    const std::vector<int>& blocks() const { return blocks_; }

   private:
    friend class KvBlockPool;
    Lease(KvBlockPool* pool, std::vector<int> blocks);

    KvBlockPool* pool_ = nullptr;
    std::vector<int> blocks_;
  };

  explicit KvBlockPool(int num_blocks);

  // All of `count` blocks, or nothing when fewer are free.
  absl::optional<Lease> Take(int count);

  int num_blocks() const { return num_blocks_; }
  int num_free() const { return static_cast<int>(free_.size()); }

 private:
  void GiveBack(const std::vector<int>& blocks);

  const int num_blocks_;
  std::priority_queue<int, std::vector<int>, std::greater<int>> free_;
};

}  // namespace tandem
