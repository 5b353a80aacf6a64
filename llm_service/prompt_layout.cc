#include "llm_service/prompt_layout.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/tile_grid.h"
#include "common/utf8.h"

namespace tandem {
namespace {

// "You are InternVL ...", the system text that the model was trained with.
constexpr absl::string_view kDefaultSystemText =
    "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合"
    "作"
    "单位联合开发的多模态大语言模型。";

constexpr int kMaxTilesOfImage = kMaxTilesPerImage + 1;  // the thumbnail

// What stands between two control tokens must be encoded as one text ("user\n"
// and a message that begins with a line feed share a token), so text is
// gathered until the next control token comes.
class PromptWriter {
 public:
  explicit PromptWriter(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void AddText(absl::string_view text) { absl::StrAppend(&text_, text); }

  absl::Status AddControl(int id) { return AddControls(id, 1); }

  absl::Status AddControls(int id, int count) {
    TANDEM_RETURN_IF_ERROR(EncodeGathered());
    prompt_.token_ids.insert(prompt_.token_ids.end(), count, id);
    return absl::OkStatus();
  }

  void MarkImage(int image_index, int num_tokens) {
    prompt_.images.push_back(
        {image_index, static_cast<int>(prompt_.token_ids.size()), num_tokens});
  }

  absl::StatusOr<Prompt> Finish() && {
    TANDEM_RETURN_IF_ERROR(EncodeGathered());
    return std::move(prompt_);
  }

 private:
  absl::Status EncodeGathered() {
    if (text_.empty()) return absl::OkStatus();
    TANDEM_ASSIGN_OR_RETURN(const std::vector<int> ids,
                            tokenizer_.EncodeText(text_));
    prompt_.token_ids.insert(prompt_.token_ids.end(), ids.begin(), ids.end());
    text_.clear();
    return absl::OkStatus();
  }

  const Tokenizer& tokenizer_;
  std::string text_;
  Prompt prompt_;
};

std::string MessageField(size_t message) {
  return absl::StrCat("messages[", message, "]");
}
std::string PartField(size_t message, size_t part) {
  return absl::StrCat(MessageField(message), ".content[", part, "]");
}

// Checks all that the header names under INVALID_ARGUMENT.
class MessageChecker {
 public:
  explicit MessageChecker(absl::Span<const int> image_tiles)
      : image_tiles_(image_tiles) {}

  absl::Status Check(absl::Span<const PromptMessage> messages) {
    TANDEM_RETURN_IF_ERROR(CheckTiles());
    if (messages.empty()) return FieldError("messages", "holds no message");
    for (size_t i = 0; i < messages.size(); ++i) {
      TANDEM_RETURN_IF_ERROR(CheckRole(messages[i].role, i));
      TANDEM_RETURN_IF_ERROR(CheckContent(messages[i], i));
    }
    if (messages.back().role != "user") {
      return FieldError(MessageField(messages.size() - 1),
                        "is the last message and not the user's");
    }
    if (next_image_ < num_images()) {
      return FieldError(absl::StrCat("images[", next_image_, "]"),
                        "is used by no message");
    }
    return absl::OkStatus();
  }

 private:
  int num_images() const { return static_cast<int>(image_tiles_.size()); }

  absl::Status CheckTiles() const {
    for (size_t i = 0; i < image_tiles_.size(); ++i) {
      if (image_tiles_[i] < 1 || image_tiles_[i] > kMaxTilesOfImage) {
        return FieldError(absl::StrCat("image_tiles[", i, "]"),
                          absl::StrCat(image_tiles_[i], " is outside [1, ",
                                       kMaxTilesOfImage, "]"));
      }
    }
    return absl::OkStatus();
  }

  static absl::Status CheckRole(absl::string_view role, size_t message) {
    if (role == "system" && message > 0) {
      return FieldError(MessageField(message),
                        "is a system message and not the first message");
    }
    if (role != "system" && role != "user" && role != "assistant") {
      return FieldError(absl::StrCat(MessageField(message), ".role"),
                        absl::StrCat("\"", CheckUtf8(role).ok() ? role : "?",
                                     "\" is none of system, user, assistant"));
    }
    return absl::OkStatus();
  }

  absl::Status CheckContent(const PromptMessage& message, size_t index) {
    bool empty = true;
    for (size_t j = 0; j < message.content.size(); ++j) {
      const std::string field = PartField(index, j);
      if (const auto* image = absl::get_if<ImageIndex>(&message.content[j])) {
        TANDEM_RETURN_IF_ERROR(CheckImage(message.role, image->value, field));
        empty = false;
        continue;
      }
      const std::string& text = absl::get<std::string>(message.content[j]);
      const absl::Status utf8 = CheckUtf8(text);
      if (!utf8.ok()) return FieldError(field, utf8.message());
      empty = empty && text.empty();
    }
    if (empty) return FieldError(MessageField(index), "is empty");
    return absl::OkStatus();
  }

  // Images come in the order of their parts, each once.
  absl::Status CheckImage(absl::string_view role, int image,
                          absl::string_view field) {
    if (role != "user") {
      return FieldError(field,
                        absl::StrCat("is an image in a message of ", role));
    }
    if (image < 0 || image >= num_images()) {
      return FieldError(field, absl::StrCat("image ", image, " is outside [0, ",
                                            num_images(), ")"));
    }
    if (image < next_image_) {
      return FieldError(field, absl::StrCat("image ", image, " is used twice"));
    }
    if (image > next_image_) {
      return FieldError(
          field, absl::StrCat("image ", image, " comes before ", next_image_));
    }
    ++next_image_;
    return absl::OkStatus();
  }

  const absl::Span<const int> image_tiles_;
  int next_image_ = 0;
};

}  // namespace

int Prompt::num_image_tokens() const {
  int sum = 0;
  for (const ImageSpan& image : images) sum += image.num_tokens;
  return sum;
}

// Renders messages whose checks have passed.
class PromptBuilder::Rendering {
 public:
  Rendering(const PromptBuilder& builder, absl::Span<const int> image_tiles)
      : builder_(builder),
        image_tiles_(image_tiles),
        writer_(*builder.tokenizer_) {}

  absl::Status AddMessage(const PromptMessage& message) {
    TANDEM_RETURN_IF_ERROR(Open(message.role));
    for (const auto& part : message.content) {
      if (const auto* text = absl::get_if<std::string>(&part)) {
        writer_.AddText(*text);
      } else {
        TANDEM_RETURN_IF_ERROR(AddImage(absl::get<ImageIndex>(part).value));
      }
    }
    return Close();
  }

  absl::Status AddSystemText(absl::string_view text) {
    TANDEM_RETURN_IF_ERROR(Open("system"));
    writer_.AddText(text);
    return Close();
  }

  absl::StatusOr<Prompt> Finish() && {
    TANDEM_RETURN_IF_ERROR(Open("assistant"));
    return std::move(writer_).Finish();
  }

 private:
  absl::Status Open(absl::string_view role) {
    TANDEM_RETURN_IF_ERROR(writer_.AddControl(builder_.im_start_));
    writer_.AddText(absl::StrCat(role, "\n"));
    return absl::OkStatus();
  }

  absl::Status Close() {
    TANDEM_RETURN_IF_ERROR(writer_.AddControl(builder_.im_end_));
    writer_.AddText("\n");
    return absl::OkStatus();
  }

  absl::Status AddImage(int image) {
    const int num_tokens =
        image_tiles_[image] * builder_.options_.tokens_per_tile;
    TANDEM_RETURN_IF_ERROR(writer_.AddControl(builder_.img_));
    writer_.MarkImage(image, num_tokens);
    TANDEM_RETURN_IF_ERROR(
        writer_.AddControls(builder_.img_context_, num_tokens));
    TANDEM_RETURN_IF_ERROR(writer_.AddControl(builder_.end_img_));
    writer_.AddText("\n");
    return absl::OkStatus();
  }

  const PromptBuilder& builder_;
  const absl::Span<const int> image_tiles_;
  PromptWriter writer_;
};

PromptBuilder::PromptBuilder(Options options, const Tokenizer& tokenizer)
    : options_(std::move(options)), tokenizer_(&tokenizer) {}

absl::StatusOr<PromptBuilder> PromptBuilder::Make(Options options,
                                                  const Tokenizer& tokenizer) {
  if (options.tokens_per_tile < 1) {
    return absl::FailedPreconditionError(absl::StrCat(
        "tokens_per_tile ", options.tokens_per_tile, " is not positive"));
  }
  PromptBuilder builder(std::move(options), tokenizer);
  int end_of_text = 0;
  const std::pair<const char*, int*> control_tokens[] = {
      {"<|im_start|>", &builder.im_start_},
      {"<|im_end|>", &builder.im_end_},
      {"<|endoftext|>", &end_of_text},
      {"<img>", &builder.img_},
      {"</img>", &builder.end_img_},
      {"<IMG_CONTEXT>", &builder.img_context_}};
  for (const auto& [text, id] : control_tokens) {
    const absl::optional<int> found = tokenizer.AddedTokenId(text);
    if (!found.has_value()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the tokenizer has no token ", text));
    }
    *id = *found;
  }
  builder.stop_token_ids_ = {builder.im_end_, end_of_text};
  return builder;
}

absl::StatusOr<Prompt> PromptBuilder::Build(
    absl::Span<const PromptMessage> messages,
    absl::Span<const int> image_tiles) const {
  TANDEM_RETURN_IF_ERROR(MessageChecker(image_tiles).Check(messages));
  Rendering rendering(*this, image_tiles);
  if (options_.profile == PreprocessingProfile::kCustom &&
      messages.front().role != "system") {
    TANDEM_RETURN_IF_ERROR(rendering.AddSystemText(
        options_.system_message.has_value()
            ? absl::string_view(*options_.system_message)
            : kDefaultSystemText));
  }
  for (const PromptMessage& message : messages) {
    TANDEM_RETURN_IF_ERROR(rendering.AddMessage(message));
  }
  return std::move(rendering).Finish();
}

absl::StatusOr<Prompt> PromptBuilder::BuildText(absl::string_view text) const {
  const absl::Status utf8 = CheckUtf8(text);
  if (!utf8.ok()) return FieldError("prompt", utf8.message());
  PromptWriter writer(*tokenizer_);
  writer.AddText(text);
  return std::move(writer).Finish();
}

}  // namespace tandem
