#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace tandem {

// What the files of a byte-level BPE tokenizer say, in either layout; checked
// as far as each file can be checked by itself.
struct TokenizerFiles {
  // For messages: the file that holds what is named.
  std::string vocabulary_file, merges_file, added_tokens_file;
  // Texts in the byte alphabet, and ids from 0; no id twice.
  std::vector<std::pair<std::string, int>> vocabulary;
  // Pairs of such texts, in order of rank.
  std::vector<std::pair<std::string, std::string>> merges;
  // Texts as they are, and ids as above; no text empty, no text or id twice.
  std::vector<std::pair<std::string, int>> added_tokens;
  bool normalize_nfc = true;
  // SHA-256, hex, of the files that were read, one after the other.
  std::string digest;
};

// Reads `directory`/tokenizer.json or, where there is none, vocab.json,
// merges.txt and at least one of added_tokens.json and tokenizer_config.json.
//
// NOT_FOUND or INVALID_ARGUMENT; the message begins with the file. Settings
// with which text would be encoded in another way than Qwen2's are refused.
absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(const std::string& directory);

}  // namespace tandem
