#include "llm_service/tokenizer.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/sha256.h"
#include "common/status_macros.h"
#include "llm_service/bpe_tokenizer.h"
#include "llm_service/byte_alphabet.h"
#include "llm_service/tokenizer_files.h"

namespace tandem {
namespace {

template <typename... Args>
absl::Status Invalid(const std::string& file, const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", args...));
}

// Puts what the files say together, checking that it fits.
class Assembly {
 public:
  explicit Assembly(TokenizerFiles files) : files_(std::move(files)) {}

  absl::StatusOr<BpeTokenizer::Parts> Assemble() && {
    SizeVocabulary();
    TANDEM_RETURN_IF_ERROR(AddRegularTokens());
    TANDEM_RETURN_IF_ERROR(AddAddedTokens());
    TANDEM_RETURN_IF_ERROR(FindByteTokens());
    TANDEM_RETURN_IF_ERROR(ResolveMerges());
    parts_.added_tokens = std::move(files_.added_tokens);
    parts_.normalize_nfc = files_.normalize_nfc;
    parts_.digest = std::move(files_.digest);
    return std::move(parts_);
  }

 private:
  void SizeVocabulary();
  absl::Status AddRegularTokens();
  absl::Status AddAddedTokens();
  absl::Status FindByteTokens();
  absl::Status ResolveMerges();
  absl::Status ResolveMerge(size_t rank);

  // The id of a regular token, or -1.
  int Find(absl::string_view symbols) const {
    const auto found = ids_.find(symbols);
    return found == ids_.end() ? -1 : found->second;
  }
  bool IsAdded(int id) const { return added_texts_.contains(id); }

  TokenizerFiles files_;
  absl::flat_hash_map<absl::string_view, int> ids_;  // of regular tokens
  absl::flat_hash_map<int, absl::string_view> added_texts_;
  BpeTokenizer::Parts parts_;
};

void Assembly::SizeVocabulary() {
  int size = 0;
  for (const auto* tokens : {&files_.vocabulary, &files_.added_tokens}) {
    for (const auto& [text, id] : *tokens) size = std::max(size, id + 1);
  }
  parts_.token_bytes.resize(size);
  for (const auto& [text, id] : files_.added_tokens) {
    added_texts_.emplace(id, text);
  }
}

// An added token may stand in the regular vocabulary too, under the same id.
absl::Status Assembly::AddRegularTokens() {
  ids_.reserve(files_.vocabulary.size());
  for (const auto& [symbols, id] : files_.vocabulary) {
    ids_.emplace(symbols, id);
    if (IsAdded(id)) {
      if (added_texts_[id] == symbols) continue;
      return Invalid(files_.added_tokens_file, "id ", id, " of added token \"",
                     added_texts_[id], "\" belongs to \"", symbols,
                     "\" of the vocabulary");
    }
    auto bytes = BytesOfSymbols(symbols);
    if (!bytes.has_value() || bytes->empty()) {
      return Invalid(files_.vocabulary_file, "token ", id, " \"", symbols,
                     "\" does not stand for bytes");
    }
    parts_.token_bytes[id] = *std::move(bytes);
  }
  return absl::OkStatus();
}

absl::Status Assembly::AddAddedTokens() {
  for (const auto& [text, id] : files_.added_tokens) {
    const int regular = Find(text);
    if (regular >= 0 && regular != id) {
      return Invalid(files_.added_tokens_file, "added token \"", text,
                     "\" has id ", id, " and, in the vocabulary, ", regular);
    }
    parts_.token_bytes[id] = text;
  }
  return absl::OkStatus();
}

absl::Status Assembly::FindByteTokens() {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string symbol = ByteSymbol(static_cast<uint8_t>(byte));
    const int id = Find(symbol);
    if (id < 0 || IsAdded(id)) {
      return Invalid(files_.vocabulary_file, "byte ", byte, " \"", symbol,
                     "\" has no regular token");
    }
    parts_.byte_ids[byte] = id;
  }
  return absl::OkStatus();
}

absl::Status Assembly::ResolveMerges() {
  parts_.merges.reserve(files_.merges.size());
  absl::flat_hash_map<std::pair<int, int>, size_t> ranks;
  ranks.reserve(files_.merges.size());
  for (size_t rank = 0; rank < files_.merges.size(); ++rank) {
    TANDEM_RETURN_IF_ERROR(ResolveMerge(rank));
    const Bpe::Merge& merge = parts_.merges.back();
    const auto [first, is_new] =
        ranks.emplace(std::make_pair(merge.left, merge.right), rank);
    if (!is_new) {
      return Invalid(files_.merges_file, "merge ", rank, " repeats merge ",
                     first->second);
    }
  }
  return absl::OkStatus();
}

absl::Status Assembly::ResolveMerge(size_t rank) {
  const auto& [left, right] = files_.merges[rank];
  const std::string joined = left + right;
  for (const std::string* symbols : {&left, &right, &joined}) {
    const int id = Find(*symbols);
    if (id < 0 || IsAdded(id)) {
      return Invalid(files_.merges_file, "merge ", rank, " needs \"", *symbols,
                     "\", which is no regular token");
    }
  }
  parts_.merges.push_back({Find(left), Find(right), Find(joined)});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(
    const std::string& directory) {
  TANDEM_ASSIGN_OR_RETURN(TokenizerFiles files, ReadTokenizerFiles(directory));
  TANDEM_ASSIGN_OR_RETURN(BpeTokenizer::Parts parts,
                          Assembly(std::move(files)).Assemble());
  return std::make_unique<BpeTokenizer>(std::move(parts));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::MakeByteTokenizer(
    int vocab_size) {
  const auto added = InternVl3AddedTokens();
  const int num_tokens = 256 + static_cast<int>(added.size());
  if (vocab_size < num_tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("vocab_size ", vocab_size, " is below ", num_tokens,
                     ", the bytes and the special tokens"));
  }
  BpeTokenizer::Parts parts;
  parts.token_bytes.resize(vocab_size);
  for (int byte = 0; byte < 256; ++byte) {
    parts.byte_ids[byte] = byte;
    parts.token_bytes[byte] = std::string(1, static_cast<char>(byte));
  }
  int id = 256;
  for (const absl::string_view text : added) {
    parts.token_bytes[id] = std::string(text);
    parts.added_tokens.emplace_back(text, id++);
  }
  Sha256 digest;
  digest.Add(absl::StrCat("one token a byte, ", vocab_size));
  parts.digest = digest.Hex();
  return std::make_unique<BpeTokenizer>(std::move(parts));
}

}  // namespace tandem
