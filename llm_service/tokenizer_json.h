#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace tandem {

// The values of which a tokenizer's JSON files are made. `file` is for messages
// only: every failure is INVALID_ARGUMENT and begins with it.

inline constexpr int kMaxTokenId = (1 << 22) - 1;

// The value of `key`, or null where `object` is none or has no such key.
const nlohmann::json& JsonAt(const nlohmann::json& object, const char* key);

// Checks the parts of tokenizer.json, `root`, that decide how text becomes
// tokens: they must be Qwen2's. `normalize_nfc` gets whether it normalizes.
absl::Status CheckEncodingSettings(const std::string& file,
                                   const nlohmann::json& root,
                                   bool& normalize_nfc);

// An object from token to id, in [0, kMaxTokenId] and none twice.
absl::Status ReadVocabulary(const std::string& file,
                            const nlohmann::json& vocabulary,
                            std::vector<std::pair<std::string, int>>& out);

// A list of "left right" or ["left", "right"].
absl::Status ReadMerges(const std::string& file, const nlohmann::json& merges,
                        std::vector<std::pair<std::string, std::string>>& out);

// Collects added tokens, which may stand in several files as long as these
// agree. No text is empty; no text and no id belongs to two tokens.
class AddedTokenReader {
 public:
  // added_tokens.json: an object from text to id.
  absl::Status ReadMap(const std::string& file,
                       const nlohmann::json& id_by_text);
  // `added_tokens_decoder` of tokenizer_config.json; null holds none.
  absl::Status ReadDecoder(const std::string& file,
                           const nlohmann::json& token_by_id);
  // `added_tokens` of tokenizer.json.
  absl::Status ReadList(const std::string& file, const nlohmann::json& tokens);

  std::vector<std::pair<std::string, int>> Take() { return std::move(tokens_); }

 private:
  absl::Status ReadToken(const std::string& file, const nlohmann::json& token,
                         const nlohmann::json& id);
  absl::Status Add(const std::string& file, const nlohmann::json& text,
                   const nlohmann::json& id);

  std::vector<std::pair<std::string, int>> tokens_;
  absl::flat_hash_map<std::string, int> ids_by_text_;
  absl::flat_hash_set<int> ids_;
};

}  // namespace tandem
