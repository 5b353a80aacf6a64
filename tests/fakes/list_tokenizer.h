#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "llm_service/tokenizer.h"

namespace tandem {

// A tokenizer that only decodes: token i stands for the i-th string, whatever
// bytes that holds.
class ListTokenizer final : public Tokenizer {
 public:
  explicit ListTokenizer(std::vector<std::string> tokens,
                         std::set<int> skipped = {})
      : tokens_(std::move(tokens)), skipped_(std::move(skipped)) {}

  absl::StatusOr<std::vector<int>> Encode(absl::string_view) const override {
    return absl::UnimplementedError("decodes only");
  }
  absl::StatusOr<std::vector<int>> EncodeText(
      absl::string_view) const override {
    return absl::UnimplementedError("decodes only");
  }
  absl::string_view TokenBytes(int id) const override { return tokens_[id]; }
  bool IsSkipped(int id) const override { return skipped_.count(id) > 0; }
  absl::optional<int> AddedTokenId(absl::string_view) const override {
    return absl::nullopt;
  }
  int vocab_size() const override { return static_cast<int>(tokens_.size()); }
  const std::string& digest() const override { return digest_; }

 private:
  const std::vector<std::string> tokens_;
  const std::set<int> skipped_;
  const std::string digest_;
};

}  // namespace tandem
