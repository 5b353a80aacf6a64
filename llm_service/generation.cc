#include "llm_service/generation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "common/tile_grid.h"

namespace tandem {
namespace {

constexpr int kHandleBytes = 16;
constexpr int kSha256Bytes = 32;

absl::Status CheckBytes(const std::string& field, const std::string& value,
                        size_t bytes) {
  if (value.size() == bytes) return absl::OkStatus();
  return FieldError(field, absl::StrCat(value.size(), " bytes, not ", bytes));
}

absl::Status CheckImage(int index, const v1::ImageRef& image) {
  const std::string field = absl::StrCat("images[", index, "]");
  TANDEM_RETURN_IF_ERROR(
      CheckBytes(field + ".handle", image.handle(), kHandleBytes));
  TANDEM_RETURN_IF_ERROR(
      CheckBytes(field + ".sha256", image.sha256(), kSha256Bytes));
  if (image.replica_id().empty()) {
    return FieldError(field + ".replica_id", "is empty");
  }
  const uint64_t grid_tiles = uint64_t{image.columns()} * image.rows();
  if (grid_tiles < 1 || grid_tiles > kMaxTilesPerImage) {
    return FieldError(field + ".columns",
                      absl::StrCat("grid ", image.columns(), "x", image.rows(),
                                   " is outside [1, ", kMaxTilesPerImage, "]"));
  }
  const TileGrid grid{static_cast<int>(image.columns()),
                      static_cast<int>(image.rows())};
  // A model may come without thumbnails.
  const auto tiles = static_cast<int64_t>(image.num_tiles());
  if (tiles != grid.num_tiles() && tiles != grid.columns * grid.rows) {
    return FieldError(field + ".num_tiles",
                      absl::StrCat(tiles, " does not match the grid ",
                                   grid.columns, "x", grid.rows));
  }
  return absl::OkStatus();
}

// Beyond int is beyond every bound: the prompt's builder names the field.
int ToInt(uint32_t value) {
  return static_cast<int>(
      std::min<uint32_t>(value, std::numeric_limits<int32_t>::max()));
}

std::vector<PromptMessage> ReadMessages(
    const google::protobuf::RepeatedPtrField<v1::PromptMessage>& messages) {
  std::vector<PromptMessage> out;
  out.reserve(messages.size());
  for (const v1::PromptMessage& message : messages) {
    PromptMessage& to = out.emplace_back();
    to.role = message.role();
    for (const v1::PromptPart& part : message.content()) {
      if (part.part_case() == v1::PromptPart::kImageIndex) {
        to.content.emplace_back(ImageIndex{ToInt(part.image_index())});
      } else {
        to.content.emplace_back(part.text());
      }
    }
  }
  return out;
}

absl::Status ContextError(const Prompt& prompt, int64_t max_tokens,
                          int context) {
  const size_t num_prompt = prompt.token_ids.size();
  return MakeError(
      absl::StatusCode::kInvalidArgument, reason::kContextLengthExceeded,
      absl::StrCat("a prompt of ", num_prompt, " tokens (",
                   prompt.num_image_tokens(), " of images) and an answer of ",
                   max_tokens, " do not fit a context of ", context),
      {{"maxTokens", absl::StrCat(max_tokens)},
       {"promptTokens", absl::StrCat(num_prompt)},
       {"imageTokens", absl::StrCat(prompt.num_image_tokens())},
       {"contextTokens", absl::StrCat(context)}});
}

}  // namespace

GenerationReader::GenerationReader(const PromptBuilder& prompts,
                                   SamplingDefaults defaults, int max_context)
    : prompts_(prompts),
      defaults_(std::move(defaults)),
      max_context_(max_context) {}

absl::StatusOr<Generation> GenerationReader::Read(
    const v1::GenerateRequest& request) const {
  if (!IsValidRequestId(request.request_id())) {
    return FieldError("request_id", "is not 1 to 128 of [A-Za-z0-9._-]");
  }
  std::vector<int> image_tiles;
  for (int i = 0; i < request.images_size(); ++i) {
    TANDEM_RETURN_IF_ERROR(CheckImage(i, request.images(i)));
    image_tiles.push_back(static_cast<int>(request.images(i).num_tiles()));
  }
  TANDEM_ASSIGN_OR_RETURN(SamplingPlan plan,
                          PlanSampling(request.sampling(), defaults_));
  if (request.has_prompt() && request.prompt().empty()) {
    return FieldError("prompt", "is empty");
  }
  Generation generation;
  TANDEM_ASSIGN_OR_RETURN(generation.prompt, ReadPrompt(request, image_tiles));
  TANDEM_ASSIGN_OR_RETURN(generation.max_tokens,
                          ChooseMaxTokens(plan, generation.prompt));
  generation.request_id = request.request_id();
  generation.images = {request.images().begin(), request.images().end()};
  generation.sampling = std::move(plan.params);
  generation.stop = std::move(plan.stop);
  return generation;
}

template <typename Request>
absl::StatusOr<Prompt> GenerationReader::ReadPrompt(
    const Request& request, const std::vector<int>& image_tiles) const {
  if (!request.has_prompt()) {
    return prompts_.Build(ReadMessages(request.messages()), image_tiles);
  }
  if (!request.messages().empty()) {
    return FieldError("prompt", "is set beside messages");
  }
  if (!image_tiles.empty()) {
    return FieldError("images[0]", "is beside a prompt, which takes no images");
  }
  return prompts_.BuildText(request.prompt());
}

absl::StatusOr<int> GenerationReader::ChooseMaxTokens(
    const SamplingPlan& plan, const Prompt& prompt) const {
  const int64_t room =
      max_context_ - static_cast<int64_t>(prompt.token_ids.size());
  const int64_t wanted = plan.max_tokens.value_or(1);
  if (wanted > room) return ContextError(prompt, wanted, max_context_);
  if (plan.params.min_tokens > room) {
    return ContextError(prompt, plan.params.min_tokens, max_context_);
  }
  if (plan.max_tokens.has_value()) return static_cast<int>(wanted);
  const int64_t usual = plan.max_tokens_default.value_or(room);
  return static_cast<int>(
      std::clamp<int64_t>(usual, plan.params.min_tokens, room));
}

absl::StatusOr<v1::CountPromptTokensResponse> GenerationReader::Count(
    const v1::CountPromptTokensRequest& request) const {
  std::vector<int> image_tiles;
  for (const uint32_t tiles : request.image_tiles()) {
    image_tiles.push_back(ToInt(tiles));
  }
  TANDEM_ASSIGN_OR_RETURN(const Prompt prompt,
                          ReadPrompt(request, image_tiles));
  const std::vector<int>& ids = prompt.token_ids;
  v1::CountPromptTokensResponse response;
  response.set_prompt_tokens(ids.size());
  response.set_image_tokens(prompt.num_image_tokens());
  if (!request.return_token_ids()) return response;
  if (ids.size() > kMaxAnsweredIds) {
    return FieldError(
        "return_token_ids",
        absl::StrCat("a prompt of ", ids.size(),
                     " tokens; ids are answered for up to ", kMaxAnsweredIds));
  }
  response.mutable_token_ids()->Add(ids.begin(), ids.end());
  return response;
}

}  // namespace tandem
