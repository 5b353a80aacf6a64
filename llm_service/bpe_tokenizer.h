#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "llm_service/added_tokens.h"
#include "llm_service/bpe.h"
#include "llm_service/tokenizer.h"

namespace tandem {

// InternVL3's added tokens, in the order of their ids.
absl::Span<const absl::string_view> InternVl3AddedTokens();

// Normalizes text, cuts it into pieces and joins the bytes of each. No merge
// and no byte may result in an added token: then no text of a client can
// either.
class BpeTokenizer final : public Tokenizer {
 public:
  struct Parts {
    std::array<int, 256> byte_ids{};       // the token of each byte
    std::vector<Bpe::Merge> merges;        // in order of rank
    std::vector<std::string> token_bytes;  // by id; empty: no token
    std::vector<std::pair<std::string, int>> added_tokens;
    bool normalize_nfc = true;
    std::string digest;
  };
  explicit BpeTokenizer(Parts parts);

  absl::StatusOr<std::vector<int>> Encode(
      absl::string_view text) const override;
  absl::StatusOr<std::vector<int>> EncodeText(
      absl::string_view text) const override;
  absl::string_view TokenBytes(int id) const override;
  bool IsSkipped(int id) const override { return skipped_.contains(id); }
  absl::optional<int> AddedTokenId(absl::string_view text) const override {
    return added_tokens_.Id(text);
  }
  int vocab_size() const override {
    return static_cast<int>(token_bytes_.size());
  }
  const std::string& digest() const override { return digest_; }

 private:
  // Appends the ids of `text`, valid UTF-8 without added tokens.
  absl::Status AppendText(absl::string_view text, std::vector<int>& ids) const;

  const Bpe bpe_;
  const AddedTokens added_tokens_;
  const std::vector<std::string> token_bytes_;
  const bool normalize_nfc_;
  const std::string digest_;
  absl::flat_hash_set<int> skipped_;
};

}  // namespace tandem
