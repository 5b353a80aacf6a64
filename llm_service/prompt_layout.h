#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "absl/types/variant.h"
#include "common/model_config.h"
#include "llm_service/tokenizer.h"

namespace tandem {

struct ImageIndex {
  int value = 0;  // into the request's images
};

// A message as a client sent it. Text is characters, never control words.
struct PromptMessage {
  std::string role;  // "system", "user", "assistant"
  std::vector<absl::variant<std::string, ImageIndex>> content;
};

// Where an image's embeddings stand in the prompt.
struct ImageSpan {
  int image_index = 0;
  int first_token = 0;  // position of its first <IMG_CONTEXT>
  int num_tokens = 0;   // tiles x tokens per tile
};

struct Prompt {
  std::vector<int> token_ids;
  std::vector<ImageSpan> images;  // in prompt order, without overlap

  int num_image_tokens() const;
};

// Builds prompts as token ids: control tokens come from here alone.
class PromptBuilder {
 public:
  struct Options {
    PreprocessingProfile profile = PreprocessingProfile::kCustom;
    int tokens_per_tile = 256;
    // The custom profile's system text where a request names none; absent: the
    // template's own.
    absl::optional<std::string> system_message;
  };

  // FAILED_PRECONDITION where the tokenizer lacks a control token, naming it,
  // or where tokens_per_tile is not positive. `tokenizer` must outlive the
  // builder.
  static absl::StatusOr<PromptBuilder> Make(Options options,
                                            const Tokenizer& tokenizer);

  // The prompt of `messages`, open for the assistant's next words.
  // `image_tiles` has the number of tiles, thumbnail counted, of each image. An
  // image part stands as <img>, its context tokens, </img> and a line feed;
  // text verbatim.
  //
  // INVALID_ARGUMENT FIELD_INVALID, naming messages[i] or
  // messages[i].content[j], for: no message, a system message that is not the
  // first, an unknown role, an empty message, a last message that is not the
  // user's, images outside user messages, an image index out of range, used
  // twice or out of order, text that is no UTF-8. The same, naming images[k] or
  // image_tiles[k], for an image that no message uses or whose tiles are
  // outside [1, 41]. Thread-safe.
  // Source: template "internvl2_5" of InternVL's conversation.py; the Hugging
  // Face profile is the chat template of the -hf checkpoints.
  absl::StatusOr<Prompt> Build(absl::Span<const PromptMessage> messages,
                               absl::Span<const int> image_tiles) const;

  // The prompt of a bare text: its characters, without a template and without
  // control tokens; an empty text has no token. INVALID_ARGUMENT FIELD_INVALID,
  // naming prompt, for text that is no UTF-8. Thread-safe.
  absl::StatusOr<Prompt> BuildText(absl::string_view text) const;

  // Tokens that prompts hold besides those of their texts.
  std::vector<int> control_token_ids() const {
    return {im_start_, im_end_, img_, end_img_, img_context_};
  }

  // Tokens that end an answer: <|im_end|> and <|endoftext|>.
  const std::vector<int>& stop_token_ids() const { return stop_token_ids_; }

 private:
  class Rendering;

  PromptBuilder(Options options, const Tokenizer& tokenizer);

  Options options_;
  const Tokenizer* tokenizer_;
  int im_start_ = 0, im_end_ = 0, img_ = 0, end_img_ = 0, img_context_ = 0;
  std::vector<int> stop_token_ids_;
};

}  // namespace tandem
