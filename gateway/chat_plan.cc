#include "gateway/chat_plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

using Detail = v1::ImagePart::Detail;
using Messages = google::protobuf::RepeatedPtrField<v1::ChatMessage>;

absl::Status CheckCount(absl::string_view field, int have, int most) {
  if (have >= 1 && have <= most) return absl::OkStatus();
  return FieldError(field,
                    absl::StrCat("there are ", have, ", not 1 to ", most));
}

// Counted before any byte of an image is looked at.
absl::Status CheckNumImages(const Messages& messages, int max_images) {
  int num_images = 0;
  for (const v1::ChatMessage& message : messages) {
    for (const v1::ContentPart& part : message.content()) {
      num_images += part.has_image() ? 1 : 0;
    }
  }
  if (num_images <= max_images) return absl::OkStatus();
  return FieldError(
      "messages",
      absl::StrCat(num_images, " images; a request may carry ", max_images));
}

absl::StatusOr<std::string> PromptRole(const v1::ChatMessage& message,
                                       bool is_first, absl::string_view field) {
  const std::string& role = message.role();
  if (role == "user" || role == "assistant") return role;
  if (role == "system" || role == "developer") {
    if (is_first) return std::string("system");
    return FieldError(absl::StrCat(field, ".role"),
                      "a system message comes first or not at all");
  }
  return FieldError(
      absl::StrCat(field, ".role"),
      absl::StrCat("\"", role.substr(0, 64),
                   "\" is not one of system, developer, user, assistant"));
}

absl::StatusOr<PlannedImage> ReadImage(const v1::ImagePart& part,
                                       std::string field,
                                       const Preprocessing& preprocessing,
                                       const ChatLimits& limits) {
  if (part.max_tiles() > static_cast<uint32_t>(kMaxTilesPerImage)) {
    return FieldError(absl::StrCat(field, ".max_tiles"),
                      absl::StrCat(part.max_tiles(), " is outside [0, ",
                                   kMaxTilesPerImage, "]"));
  }
  if (!v1::ImagePart::Detail_IsValid(part.detail())) {
    return FieldError(absl::StrCat(field, ".detail"),
                      absl::StrCat(part.detail(), " is no Detail"));
  }
  PlannedImage image;
  image.data = &part.data();
  absl::StatusOr<ImageHeader> header =
      ReadImageHeader(part.data(), limits.image);
  if (!header.ok()) return AtField(header.status(), field);
  image.header = *header;
  image.field = std::move(field);
  image.max_tiles = part.max_tiles() == 0 ? preprocessing.max_tiles
                                          : static_cast<int>(part.max_tiles());
  if (part.detail() == v1::ImagePart::DETAIL_LOW) image.max_tiles = 1;
  if (part.detail() != v1::ImagePart::DETAIL_HIGH) {
    image.max_tiles = std::min(image.max_tiles, limits.max_tiles_per_image);
  }
  return image;
}

absl::Status PlanMessage(const v1::ChatMessage& message, int index,
                         const Preprocessing& preprocessing,
                         const ChatLimits& limits, ChatPlan& plan,
                         std::vector<Detail>& details) {
  const std::string field = absl::StrCat("messages[", index, "]");
  TANDEM_RETURN_IF_ERROR(CheckCount(absl::StrCat(field, ".content"),
                                    message.content_size(), limits.max_parts));
  v1::PromptMessage& planned = plan.messages.emplace_back();
  TANDEM_ASSIGN_OR_RETURN(*planned.mutable_role(),
                          PromptRole(message, index == 0, field));
  bool is_empty = true;
  for (int i = 0; i < message.content_size(); ++i) {
    const v1::ContentPart& part = message.content(i);
    const std::string part_field = absl::StrCat(field, ".content[", i, "]");
    switch (part.part_case()) {
      case v1::ContentPart::kText:
        is_empty = is_empty && part.text().empty();
        planned.add_content()->set_text(part.text());
        break;
      case v1::ContentPart::kImage: {
        if (planned.role() != "user") {
          return FieldError(part_field, "images belong to user messages");
        }
        TANDEM_ASSIGN_OR_RETURN(
            PlannedImage image,
            ReadImage(part.image(), absl::StrCat(part_field, ".image"),
                      preprocessing, limits));
        planned.add_content()->set_image_index(
            static_cast<uint32_t>(plan.images.size()));
        image.message = index;
        image.part = i;
        plan.image_bytes += static_cast<int64_t>(image.data->size());
        plan.images.push_back(std::move(image));
        details.push_back(part.image().detail());
        is_empty = false;
        break;
      }
      case v1::ContentPart::PART_NOT_SET:
        return FieldError(part_field, "is neither text nor image");
    }
  }
  if (is_empty) {
    return FieldError(absl::StrCat(field, ".content"), "the message is empty");
  }
  return absl::OkStatus();
}

// Sets every image's grid, with at most `auto_tiles` tiles where the detail is
// ours to choose, and returns the request's tiles.
absl::StatusOr<int> ChooseGrids(int auto_tiles,
                                const std::vector<Detail>& details,
                                const Preprocessing& preprocessing,
                                std::vector<PlannedImage>& images) {
  int num_tiles = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    Preprocessing own = preprocessing;
    own.max_tiles = images[i].max_tiles;
    if (details[i] != v1::ImagePart::DETAIL_HIGH) {
      own.max_tiles = std::min(own.max_tiles, auto_tiles);
    }
    TANDEM_ASSIGN_OR_RETURN(images[i].grid, own.GridOf(images[i].header));
    num_tiles += images[i].grid.num_tiles();
  }
  return num_tiles;
}

absl::Status ShareTiles(const std::vector<Detail>& details,
                        const Preprocessing& preprocessing,
                        const ChatLimits& limits,
                        std::vector<PlannedImage>& images) {
  int auto_tiles = limits.max_tiles_per_image;
  int num_tiles = 0;
  for (; auto_tiles >= 1; --auto_tiles) {
    TANDEM_ASSIGN_OR_RETURN(
        num_tiles, ChooseGrids(auto_tiles, details, preprocessing, images));
    if (num_tiles <= limits.max_tiles) break;
  }
  if (num_tiles > limits.max_tiles) {
    return FieldError(
        "messages",
        absl::StrCat("the images take ", num_tiles,
                     " tiles at least; a request may have ", limits.max_tiles));
  }
  for (size_t i = 0; i < images.size(); ++i) {
    if (details[i] == v1::ImagePart::DETAIL_HIGH) continue;
    images[i].max_tiles = std::min(images[i].max_tiles, auto_tiles);
  }
  return absl::OkStatus();
}

absl::StatusOr<ChatPlan> PlanMessages(const Messages& messages,
                                      const Preprocessing& preprocessing,
                                      const ChatLimits& limits) {
  TANDEM_RETURN_IF_ERROR(
      CheckCount("messages", messages.size(), limits.max_messages));
  TANDEM_RETURN_IF_ERROR(CheckNumImages(messages, limits.max_images));
  ChatPlan plan;
  std::vector<Detail> details;
  for (int i = 0; i < messages.size(); ++i) {
    TANDEM_RETURN_IF_ERROR(
        PlanMessage(messages[i], i, preprocessing, limits, plan, details));
  }
  if (plan.messages.back().role() != "user") {
    return FieldError(absl::StrCat("messages[", messages.size() - 1, "].role"),
                      "the last message is not the user's");
  }
  TANDEM_RETURN_IF_ERROR(
      ShareTiles(details, preprocessing, limits, plan.images));
  return plan;
}

// Of a ChatRequest or a CountTokensRequest.
template <typename Request>
absl::StatusOr<ChatPlan> Plan(const Request& request,
                              const Preprocessing& preprocessing,
                              const ChatLimits& limits) {
  if (!request.has_prompt()) {
    return PlanMessages(request.messages(), preprocessing, limits);
  }
  if (!request.messages().empty()) {
    return FieldError("prompt", "is set beside messages");
  }
  ChatPlan plan;
  plan.prompt = &request.prompt();
  return plan;
}

}  // namespace

int ChatPlan::num_tiles() const {
  int num_tiles = 0;
  for (const PlannedImage& image : images) num_tiles += image.grid.num_tiles();
  return num_tiles;
}

absl::StatusOr<ChatPlan> PlanChat(const v1::ChatRequest& request,
                                  const Preprocessing& preprocessing,
                                  const ChatLimits& limits) {
  if (request.has_prompt() && request.prompt().empty()) {
    return FieldError("prompt", "is empty");
  }
  return Plan(request, preprocessing, limits);
}

absl::StatusOr<ChatPlan> PlanCount(const v1::CountTokensRequest& request,
                                   const Preprocessing& preprocessing,
                                   const ChatLimits& limits) {
  return Plan(request, preprocessing, limits);
}

}  // namespace tandem
