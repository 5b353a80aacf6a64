#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace tandem {

// The tokens beside the regular vocabulary, by their text: control tokens and
// the like. Immutable; thread-safe.
class AddedTokens {
 public:
  struct Match {
    size_t position = 0;  // bytes from the start of the text
    size_t length = 0;
    int id = 0;
  };

  // Texts and ids; no text empty or twice.
  explicit AddedTokens(const std::vector<std::pair<std::string, int>>& tokens);

  // The first token in `text` at or after `from`, the longest of those that
  // begin at the same place.
  absl::optional<Match> FindFirst(absl::string_view text, size_t from) const;

  absl::optional<int> Id(absl::string_view text) const;

 private:
  absl::flat_hash_map<std::string, int> ids_;
  // The same by first byte, the longest first.
  std::array<std::vector<std::pair<std::string, int>>, 256> by_first_byte_;
};

}  // namespace tandem
