#include "cli/conversation_file.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/error_line.h"
#include "cli/openai_messages.h"
#include "common/image_header.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using Json = nlohmann::json;

absl::Status Wrong(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

// Null where there is no such key.
const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

absl::StatusOr<std::string> Text(const Json& object, const char* key,
                                 const std::string& where) {
  const Json* value = Find(object, key);
  if (value != nullptr && value->is_string()) return value->get<std::string>();
  return Wrong(absl::StrCat(where, ".", key), "is not a string");
}

absl::StatusOr<std::string> ReadDataUrl(absl::string_view url,
                                        const std::string& where) {
  const size_t comma = url.find(',');
  absl::string_view head = url.substr(0, comma);
  std::string bytes;
  if (!absl::ConsumePrefix(&head, "data:") ||
      !absl::ConsumeSuffix(&head, ";base64") ||
      comma == absl::string_view::npos ||
      !absl::Base64Unescape(url.substr(comma + 1), &bytes)) {
    return Wrong(where, "is not a data URL in base64");
  }
  const absl::StatusOr<ImageHeader> header = ReadImageHeader(bytes);
  if (!header.ok()) return Wrong(where, ErrorLine(header.status()));
  return bytes;
}

absl::Status ReadImage(const Json& part, const std::string& where,
                       v1::ImagePart& image) {
  constexpr int kMostTiles = 40;
  const Json* picture = Find(part, "image_url");
  if (picture == nullptr) return Wrong(where, "has no image_url");
  const std::string inside = absl::StrCat(where, ".image_url");
  TANDEM_ASSIGN_OR_RETURN(const std::string url, Text(*picture, "url", inside));
  TANDEM_ASSIGN_OR_RETURN(*image.mutable_data(),
                          ReadDataUrl(url, absl::StrCat(inside, ".url")));
  const Json* detail = Find(*picture, "detail");
  if (detail != nullptr && *detail == "high") {
    image.set_detail(v1::ImagePart::DETAIL_HIGH);
  }
  const Json* tiles = Find(*picture, "max_tiles");
  if (tiles == nullptr) return absl::OkStatus();
  if (!tiles->is_number_integer() || *tiles < 1 || *tiles > kMostTiles) {
    return Wrong(absl::StrCat(inside, ".max_tiles"),
                 "is not a whole number in [1, 40]");
  }
  image.set_max_tiles(tiles->get<uint32_t>());
  return absl::OkStatus();
}

absl::Status ReadPart(const Json& json, const std::string& where,
                      v1::ContentPart& part) {
  TANDEM_ASSIGN_OR_RETURN(const std::string type, Text(json, "type", where));
  if (type == "text") {
    TANDEM_ASSIGN_OR_RETURN(*part.mutable_text(), Text(json, "text", where));
    return absl::OkStatus();
  }
  if (type == "image_url") {
    return ReadImage(json, where, *part.mutable_image());
  }
  return Wrong(absl::StrCat(where, ".type"), "is neither text nor image_url");
}

absl::StatusOr<v1::ChatMessage> ReadMessage(const Json& json,
                                            const std::string& where) {
  v1::ChatMessage message;
  TANDEM_ASSIGN_OR_RETURN(*message.mutable_role(), Text(json, "role", where));
  const Json* content = Find(json, "content");
  const std::string inside = absl::StrCat(where, ".content");
  if (content != nullptr && content->is_string()) {
    message.add_content()->set_text(content->get<std::string>());
    return message;
  }
  if (content == nullptr || !content->is_array() || content->empty()) {
    return Wrong(inside, "is neither a string nor a list of parts");
  }
  for (size_t i = 0; i < content->size(); ++i) {
    TANDEM_RETURN_IF_ERROR(ReadPart((*content)[i],
                                    absl::StrCat(inside, "[", i, "]"),
                                    *message.add_content()));
  }
  return message;
}

// A conversation of ours: the system's words at most once and first, then
// questions and answers in turn.
absl::Status CheckRole(const std::vector<v1::ChatMessage>& before,
                       const v1::ChatMessage& message,
                       const std::string& where) {
  const std::string& role = message.role();
  const bool after_question = !before.empty() && before.back().role() == "user";
  const bool fits = role == "system" ? before.empty()
                    : after_question ? role == "assistant"
                                     : role == "user";
  if (fits) return absl::OkStatus();
  return Wrong(absl::StrCat(where, ".role"),
               absl::StrCat("\"", role,
                            "\" does not belong here; a "
                            "conversation is system, then user and assistant "
                            "in turn"));
}

}  // namespace

std::string ConversationFile(const v1::ChatRequest& request) {
  const nlohmann::ordered_json file = {{"model", request.model()},
                                       {"messages", MessagesAsJson(request)}};
  return absl::StrCat(
      file.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace),
      "\n");
}

absl::StatusOr<std::vector<v1::ChatMessage>> ReadConversationFile(
    absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr,
                                /*allow_exceptions=*/false);
  const Json* list = Find(json, "messages");
  if (list == nullptr || !list->is_array()) {
    return absl::InvalidArgumentError(
        "is not JSON with a list \"messages\" in it");
  }
  std::vector<v1::ChatMessage> messages;
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string where = absl::StrCat("messages[", i, "]");
    TANDEM_ASSIGN_OR_RETURN(v1::ChatMessage message,
                            ReadMessage((*list)[i], where));
    TANDEM_RETURN_IF_ERROR(CheckRole(messages, message, where));
    messages.push_back(std::move(message));
  }
  if (!messages.empty() && messages.back().role() == "user") {
    messages.pop_back();
  }
  return messages;
}

}  // namespace tandem
