#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/tile_grid.h"
#include "gateway/data_url.h"
#include "gateway/openai_fields.h"

namespace tandem {
namespace {

using Text = absl::optional<absl::string_view>;

// For messages: what a client sent, cut.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", text.substr(0, 64), "\"");
}

absl::Status Missing(const JsonPath& parent, absl::string_view key) {
  return FieldError(JsonPath(parent, key).ToString(), "is required");
}

absl::Status SetDetail(JsonValue value, v1::ImagePart& image) {
  Text detail;
  TANDEM_RETURN_IF_ERROR(value.ReadString(detail));
  if (!detail.has_value() || *detail == "auto") {
    image.set_detail(v1::ImagePart::DETAIL_AUTO);
  } else if (*detail == "low") {
    image.set_detail(v1::ImagePart::DETAIL_LOW);
  } else if (*detail == "high" || *detail == "original") {
    image.set_detail(v1::ImagePart::DETAIL_HIGH);
  } else {
    return value.Error(absl::StrCat(
        Quoted(*detail), " is not one of auto, low, high, original"));
  }
  return absl::OkStatus();
}

// What an SDK's answer holds beside its text, and what would be lost if it were
// more than nothing.
bool IsAnswerField(absl::string_view key) {
  return key == "refusal" || key == "annotations" || key == "reasoning_content";
}

bool IsRemote(absl::string_view url) {
  const absl::StatusOr<ImageUrl> parsed = ParseImageUrl(url);
  return parsed.ok() && std::holds_alternative<RemoteUrl>(*parsed);
}

bool MustBeEmpty(absl::string_view key) {
  return key == "tool_calls" || key == "function_call" || key == "audio";
}

}  // namespace

absl::Status MessagesReader::Read(JsonValue value) {
  messages_.Clear();
  images_.clear();
  return value.ReadItems([this, &value](int index, JsonValue item) {
    if (index == limits_.max_messages) {
      return value.Error(
          absl::StrCat("there are over ", limits_.max_messages, " messages"));
    }
    return ReadMessage(item, *messages_.Add());
  });
}

absl::Status MessagesReader::ReadMessage(JsonValue value,
                                         v1::ChatMessage& message) {
  std::vector<EncodedImage> images;
  bool has_content = false;
  TANDEM_RETURN_IF_ERROR(value.ReadFields([&](absl::string_view key,
                                              JsonValue field) -> absl::Status {
    if (key == "role") return ReadRole(field, message);
    if (key == "content") {
      has_content = true;
      return ReadContent(field, message, images);
    }
    if (key == "name") {
      Text name;
      TANDEM_RETURN_IF_ERROR(field.ReadString(name));
      message.set_name(std::string(name.value_or("")));
      return absl::OkStatus();
    }
    if (IsAnswerField(key)) return field.Check();
    if (!MustBeEmpty(key)) return unknown_.Ignore(field);
    TANDEM_ASSIGN_OR_RETURN(const bool is_empty, field.ReadIsEmpty());
    return is_empty ? absl::OkStatus()
                    : field.Unsupported("there are no tools and no audio here");
  }));
  if (message.role().empty()) return Missing(value.path(), "role");
  if (!has_content) return Missing(value.path(), "content");
  for (EncodedImage& image : images) {
    image.message = messages_.size() - 1;
    images_.push_back(std::move(image));
  }
  return absl::OkStatus();
}

absl::Status MessagesReader::ReadRole(JsonValue value,
                                      v1::ChatMessage& message) {
  Text role;
  TANDEM_RETURN_IF_ERROR(value.ReadString(role));
  if (!role.has_value()) return value.Error("is required");
  if (*role == "tool" || *role == "function") {
    return value.Unsupported(
        absl::StrCat(Quoted(*role), ": tools are not built"));
  }
  if (*role != "system" && *role != "developer" && *role != "user" &&
      *role != "assistant") {
    return value.Error(absl::StrCat(
        Quoted(*role), " is not one of system, developer, user, assistant"));
  }
  message.set_role(std::string(*role));
  return absl::OkStatus();
}

absl::Status MessagesReader::ReadContent(JsonValue value,
                                         v1::ChatMessage& message,
                                         std::vector<EncodedImage>& images) {
  message.clear_content();
  images.clear();
  TANDEM_ASSIGN_OR_RETURN(const JsonValue::Type type, value.GetType());
  if (type == JsonValue::Type::kString) {
    Text text;
    TANDEM_RETURN_IF_ERROR(value.ReadString(text));
    message.add_content()->set_text(std::string(*text));
    return absl::OkStatus();
  }
  if (type != JsonValue::Type::kList) {
    return value.Error(absl::StrCat(
        "expected a string or a list of parts, got ", JsonTypeName(type)));
  }
  TANDEM_RETURN_IF_ERROR(value.ReadItems([&](int index, JsonValue item) {
    if (index == limits_.max_parts) {
      return value.Error(
          absl::StrCat("there are over ", limits_.max_parts, " parts"));
    }
    return ReadPart(item, index, *message.add_content(), images);
  }));
  return message.content_size() > 0 ? absl::OkStatus()
                                    : value.Error("there are no parts");
}

absl::Status MessagesReader::ReadPart(JsonValue value, int index,
                                      v1::ContentPart& part,
                                      std::vector<EncodedImage>& images) {
  Text type, text, url;
  v1::ImagePart image;
  bool has_image = false;
  TANDEM_RETURN_IF_ERROR(value.ReadFields(
      [&](absl::string_view key, JsonValue field) -> absl::Status {
        if (key == "type") {
          TANDEM_RETURN_IF_ERROR(field.ReadString(type));
          if (!type.has_value() || *type == "text" || *type == "image_url") {
            return absl::OkStatus();
          }
          return field.Unsupported(
              absl::StrCat(Quoted(*type), " is not one of text, image_url"));
        }
        if (key == "text") return field.ReadString(text);
        if (key != "image_url") return unknown_.Ignore(field);
        has_image = true;
        return ReadImageUrl(field, image, url);
      }));
  if (!type.has_value()) return Missing(value.path(), "type");
  if (*type == "text") {
    if (!text.has_value()) return Missing(value.path(), "text");
    part.set_text(std::string(*text));
    return absl::OkStatus();
  }
  if (!has_image) return Missing(value.path(), "image_url");
  const JsonPath image_path(value.path(), "image_url");
  if (!url.has_value()) return Missing(image_path, "url");
  *part.mutable_image() = std::move(image);
  images.push_back({.url = *url,
                    .field = JsonPath(image_path, "url").ToString(),
                    .image = part.mutable_image(),
                    .part = index});
  return absl::OkStatus();
}

absl::Status MessagesReader::ReadImageUrl(JsonValue value, v1::ImagePart& image,
                                          Text& url) {
  image.Clear();
  url.reset();
  return value.ReadFields(
      [&](absl::string_view key, JsonValue field) -> absl::Status {
        if (key == "url") return field.ReadString(url);
        if (key == "detail") return SetDetail(field, image);
        if (key != "max_tiles") return unknown_.Ignore(field);
        absl::optional<int64_t> tiles;
        TANDEM_RETURN_IF_ERROR(field.ReadInteger(1, kMaxTilesPerImage, tiles));
        image.set_max_tiles(static_cast<uint32_t>(tiles.value_or(0)));
        return absl::OkStatus();
      });
}

absl::Status MessagesReader::DecodeImages(const std::vector<ImageHost>& hosts,
                                          std::vector<RemoteImage>& remote) {
  if (images_.size() > static_cast<size_t>(limits_.max_images)) {
    return FieldError("messages", absl::StrCat(images_.size(),
                                               " images; a request may carry ",
                                               limits_.max_images));
  }
  std::vector<std::pair<DataUrl, const EncodedImage*>> here;
  for (const EncodedImage& image : images_) {
    if (!hosts.empty() && IsRemote(image.url)) {
      absl::StatusOr<RemoteImageUrl> url = CheckRemoteUrl(image.url, hosts);
      if (!url.ok()) return AtField(url.status(), image.field);
      remote.push_back(
          {*std::move(url), image.message, image.part, image.field});
      continue;
    }
    absl::StatusOr<DataUrl> url = ParseDataUrl(image.url);
    absl::Status status = url.status();
    if (status.ok()) status = CheckEncodedBytes(*url, limits_.image);
    if (!status.ok()) return AtField(status, image.field);
    here.emplace_back(*std::move(url), &image);
  }
  for (const auto& [url, encoded] : here) {
    v1::ImagePart& image = *encoded->image;
    image.set_mime_type(url.mime_type);
    const absl::Status status = DecodeDataUrl(url, *image.mutable_data());
    if (!status.ok()) return AtField(status, encoded->field);
  }
  return absl::OkStatus();
}

}  // namespace tandem
