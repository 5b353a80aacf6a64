#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace tandem {

// Byte pair encoding: starts with one token a byte and joins neighbours for as
// long as a merge applies, the merge of the lowest rank first, the leftmost of
// equals. Immutable; thread-safe.
// Source: Sennrich et al., arXiv:1508.07909, on bytes as in GPT-2.
class Bpe {
 public:
  // Joins tokens `left` `right` into `result`.
  struct Merge {
    int left, right, result;
  };

  // `byte_ids` has the token of each byte; `merges` are in order of rank, no
  // pair twice.
  Bpe(const std::array<int, 256>& byte_ids, const std::vector<Merge>& merges);

  // Appends the tokens of `piece` to `ids`, in O(n log n) of its bytes, which
  // must be fewer than 2^31.
  void Encode(absl::string_view piece, std::vector<int>& ids) const;

 private:
  struct Joined {
    int rank, id;
  };
  class Pass;

  // Null where the two tokens do not merge.
  const Joined* Find(int left, int right) const;

  const std::array<int, 256> byte_ids_;
  absl::flat_hash_map<uint64_t, Joined> merges_;  // by both tokens
};

}  // namespace tandem
