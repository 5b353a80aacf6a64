#include "llm_service/bpe.h"

#include <cstddef>
#include <queue>
#include <tuple>

namespace tandem {
namespace {

uint64_t Pair(int left, int right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

// The state of one Encode: tokens in a doubly linked list, and the merges that
// are possible in a heap. A merge whose tokens have changed since it was put
// there is passed over.
class Bpe::Pass {
 public:
  Pass(const Bpe& bpe, absl::string_view piece) : bpe_(bpe) {
    const int size = static_cast<int>(piece.size());
    tokens_.reserve(size);
    for (int i = 0; i < size; ++i) {
      const int id = bpe.byte_ids_[static_cast<uint8_t>(piece[i])];
      tokens_.push_back({id, i - 1, i + 1 < size ? i + 1 : -1});
    }
    std::vector<Candidate> candidates;
    candidates.reserve(size);
    candidates_ = Heap(Later{}, std::move(candidates));
    for (int i = 0; i + 1 < size; ++i) Offer(i);
  }

  void Run(std::vector<int>& ids) {
    while (!candidates_.empty()) {
      const Candidate next = candidates_.top();
      candidates_.pop();
      if (IsCurrent(next)) Apply(next);
    }
    // The first token is only ever joined with what follows it.
    for (int i = tokens_.empty() ? -1 : 0; i >= 0; i = tokens_[i].next) {
      ids.push_back(tokens_[i].id);
    }
  }

 private:
  struct Token {
    int id;              // -1: joined into the one before
    int previous, next;  // -1: none
  };
  struct Candidate {
    int rank, position;  // of the left token
    int left, right, result;
  };
  struct Later {
    bool operator()(const Candidate& a, const Candidate& b) const {
      return std::tie(a.rank, a.position) > std::tie(b.rank, b.position);
    }
  };
  using Heap = std::priority_queue<Candidate, std::vector<Candidate>, Later>;

  // Puts the merge of the token at `position` with the next one on the heap.
  void Offer(int position) {
    if (position < 0 || tokens_[position].next < 0) return;
    const int left = tokens_[position].id;
    const int right = tokens_[tokens_[position].next].id;
    if (const Joined* const joined = bpe_.Find(left, right)) {
      candidates_.push({joined->rank, position, left, right, joined->id});
    }
  }

  bool IsCurrent(const Candidate& candidate) const {
    const Token& left = tokens_[candidate.position];
    return left.id == candidate.left && left.next >= 0 &&
           tokens_[left.next].id == candidate.right;
  }

  void Apply(const Candidate& candidate) {
    Token& left = tokens_[candidate.position];
    Token& right = tokens_[left.next];
    left.id = candidate.result;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) tokens_[left.next].previous = candidate.position;
    Offer(left.previous);
    Offer(candidate.position);
  }

  const Bpe& bpe_;
  std::vector<Token> tokens_;
  Heap candidates_;
};

Bpe::Bpe(const std::array<int, 256>& byte_ids, const std::vector<Merge>& merges)
    : byte_ids_(byte_ids) {
  merges_.reserve(merges.size());
  int rank = 0;
  for (const Merge& merge : merges) {
    merges_.emplace(Pair(merge.left, merge.right),
                    Joined{rank++, merge.result});
  }
}

void Bpe::Encode(absl::string_view piece, std::vector<int>& ids) const {
  Pass(*this, piece).Run(ids);
}

const Bpe::Joined* Bpe::Find(int left, int right) const {
  const auto found = merges_.find(Pair(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

}  // namespace tandem
