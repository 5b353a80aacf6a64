#include "llm_service/bpe_tokenizer.h"

#include "common/status_macros.h"
#include "common/utf8.h"
#include "llm_service/pre_tokenizer.h"
#include "llm_service/unicode_nfc.h"

namespace tandem {
namespace {

constexpr absl::string_view kInternVl3AddedTokens[] = {"<|endoftext|>",
                                                       "<|im_start|>",
                                                       "<|im_end|>",
                                                       "<|object_ref_start|>",
                                                       "<|object_ref_end|>",
                                                       "<|box_start|>",
                                                       "<|box_end|>",
                                                       "<|quad_start|>",
                                                       "<|quad_end|>",
                                                       "<|vision_start|>",
                                                       "<|vision_end|>",
                                                       "<|vision_pad|>",
                                                       "<|image_pad|>",
                                                       "<|video_pad|>",
                                                       "<tool_call>",
                                                       "</tool_call>",
                                                       "<|fim_prefix|>",
                                                       "<|fim_middle|>",
                                                       "<|fim_suffix|>",
                                                       "<|fim_pad|>",
                                                       "<|repo_name|>",
                                                       "<|file_sep|>",
                                                       "<img>",
                                                       "</img>",
                                                       "<IMG_CONTEXT>",
                                                       "<quad>",
                                                       "</quad>",
                                                       "<ref>",
                                                       "</ref>",
                                                       "<box>",
                                                       "</box>"};

// The first ones, up to <|video_pad|>, are left out of answers: the model's
// tokenizer lists them as eos, pad or additional_special_tokens.
constexpr size_t kNumSkipped = 14;

}  // namespace

absl::Span<const absl::string_view> InternVl3AddedTokens() {
  return kInternVl3AddedTokens;
}

BpeTokenizer::BpeTokenizer(Parts parts)
    : bpe_(parts.byte_ids, parts.merges),
      added_tokens_(parts.added_tokens),
      token_bytes_(std::move(parts.token_bytes)),
      normalize_nfc_(parts.normalize_nfc),
      digest_(std::move(parts.digest)) {
  for (const absl::string_view token :
       InternVl3AddedTokens().first(kNumSkipped)) {
    if (const auto id = AddedTokenId(token)) skipped_.insert(*id);
  }
}

absl::StatusOr<std::vector<int>> BpeTokenizer::Encode(
    absl::string_view text) const {
  TANDEM_RETURN_IF_ERROR(CheckUtf8(text));
  std::vector<int> ids;
  size_t from = 0;
  while (const auto match = added_tokens_.FindFirst(text, from)) {
    TANDEM_RETURN_IF_ERROR(
        AppendText(text.substr(from, match->position - from), ids));
    ids.push_back(match->id);
    from = match->position + match->length;
  }
  TANDEM_RETURN_IF_ERROR(AppendText(text.substr(from), ids));
  return ids;
}

absl::StatusOr<std::vector<int>> BpeTokenizer::EncodeText(
    absl::string_view text) const {
  TANDEM_RETURN_IF_ERROR(CheckUtf8(text));
  std::vector<int> ids;
  TANDEM_RETURN_IF_ERROR(AppendText(text, ids));
  return ids;
}

absl::string_view BpeTokenizer::TokenBytes(int id) const {
  if (id < 0 || id >= vocab_size()) return {};
  return token_bytes_[id];
}

absl::Status BpeTokenizer::AppendText(absl::string_view text,
                                      std::vector<int>& ids) const {
  std::string storage;
  if (normalize_nfc_) {
    TANDEM_ASSIGN_OR_RETURN(text, NormalizeNfc(text, storage));
  }
  while (!text.empty()) {
    const size_t length = FirstPieceLength(text);
    bpe_.Encode(text.substr(0, length), ids);
    text.remove_prefix(length);
  }
  return absl::OkStatus();
}

}  // namespace tandem
