#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace tandem {

// Qwen2's byte-level BPE with the model's added tokens. Immutable after
// loading; thread-safe.
class Tokenizer {
 public:
  // Reads `directory`/tokenizer.json, or else vocab.json, merges.txt and
  // added_tokens.json or tokenizer_config.json (both, if both are there).
  // NOT_FOUND or INVALID_ARGUMENT, naming the file and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(
      const std::string& directory);

  // For random weights without a tokenizer: the byte b is token b, then come
  // InternVL3's 31 added tokens, then ids without a token up to `vocab_size`,
  // which must leave room for them (INVALID_ARGUMENT). The digest depends on
  // `vocab_size` alone.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> MakeByteTokenizer(
      int vocab_size);

  virtual ~Tokenizer() = default;

  // Ids of `text`, with added tokens recognised: for templates and tests.
  // Equals the `tokenizers` library, its Unicode versions included.
  // INVALID_ARGUMENT where `text` is not UTF-8, with the byte offset. O(n log
  // n) in the length of the text, below 2^31 bytes, whatever it holds.
  virtual absl::StatusOr<std::vector<int>> Encode(
      absl::string_view text) const = 0;

  // Ids of `text` with every control word taken as characters: for whatever a
  // client sent. Never the id of an added token; else like Encode.
  virtual absl::StatusOr<std::vector<int>> EncodeText(
      absl::string_view text) const = 0;

  // Bytes of one token; an added token's own text; empty for an id that has no
  // token. A token may end inside a UTF-8 character.
  virtual absl::string_view TokenBytes(int id) const = 0;

  // Whether the token is left out of answers: the control tokens from
  // <|endoftext|> to <|video_pad|>, known by their text. <img>, <ref>, <box>
  // and the like stay, as do ids without a token (which have no text).
  virtual bool IsSkipped(int id) const = 0;

  // Id of an added token by its text.
  virtual absl::optional<int> AddedTokenId(absl::string_view text) const = 0;

  // Ids are in [0, vocab_size()).
  virtual int vocab_size() const = 0;

  // SHA-256, hex, of the files that were read, one after the other: of
  // tokenizer.json, or of vocab.json, merges.txt, added_tokens.json and
  // tokenizer_config.json, as far as they are there.
  virtual const std::string& digest() const = 0;
};

}  // namespace tandem
