#include "llm_service/added_tokens.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/match.h"

namespace tandem {

AddedTokens::AddedTokens(
    const std::vector<std::pair<std::string, int>>& tokens) {
  for (const auto& token : tokens) {
    ids_.insert(token);
    by_first_byte_[static_cast<uint8_t>(token.first[0])].push_back(token);
  }
  for (auto& bucket : by_first_byte_) {
    std::sort(bucket.begin(), bucket.end(), [](const auto& a, const auto& b) {
      return a.first.size() > b.first.size();
    });
  }
}

absl::optional<AddedTokens::Match> AddedTokens::FindFirst(
    absl::string_view text, size_t from) const {
  for (size_t i = from; i < text.size(); ++i) {
    for (const auto& [token, id] :
         by_first_byte_[static_cast<uint8_t>(text[i])]) {
      if (absl::StartsWith(text.substr(i), token)) {
        return Match{i, token.size(), id};
      }
    }
  }
  return absl::nullopt;
}

absl::optional<int> AddedTokens::Id(absl::string_view text) const {
  const auto found = ids_.find(text);
  if (found == ids_.end()) return absl::nullopt;
  return found->second;
}

}  // namespace tandem
