#include "cli/openai_messages.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/image_header.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using Json = nlohmann::ordered_json;

std::string DataUrl(const std::string& image) {
  const absl::StatusOr<ImageHeader> header = ReadImageHeader(image);
  return absl::StrCat(
      "data:",
      header.ok() ? absl::StrCat("image/", ImageFormatName(header->format))
                  : "application/octet-stream",
      ";base64,", absl::Base64Escape(image));
}

Json PartAsJson(const v1::ContentPart& part) {
  if (!part.has_image()) return {{"type", "text"}, {"text", part.text()}};
  Json url = {{"url", DataUrl(part.image().data())}};
  if (part.image().detail() == v1::ImagePart::DETAIL_HIGH) {
    url["detail"] = "high";
  }
  if (part.image().max_tiles() > 0) {
    url["max_tiles"] = part.image().max_tiles();
  }
  return {{"type", "image_url"}, {"image_url", std::move(url)}};
}

Json MessageAsJson(const v1::ChatMessage& message) {
  Json content = Json::array();
  for (const v1::ContentPart& part : message.content()) {
    content.push_back(PartAsJson(part));
  }
  if (message.content_size() == 1 && !message.content(0).has_image()) {
    content = message.content(0).text();
  }
  return {{"role", message.role()}, {"content", std::move(content)}};
}

// 0.7, where the nearest float is 0.699999988.
double Shortest(float value) {
  double shortest = value;
  return absl::SimpleAtod(absl::StrCat(value), &shortest) ? shortest : value;
}

// The fields of both APIs have the same names.
void AddSampling(const v1::Sampling& sampling, Json& body) {
  using Field = google::protobuf::FieldDescriptor;
  const auto& reflection = *sampling.GetReflection();
  std::vector<const Field*> fields;
  reflection.ListFields(sampling, &fields);
  for (const Field* field : fields) {
    if (field->is_repeated()) continue;
    Json& value = body[field->name()];
    switch (field->cpp_type()) {
      case Field::CPPTYPE_UINT32:
        value = reflection.GetUInt32(sampling, field);
        break;
      case Field::CPPTYPE_UINT64:
        value = reflection.GetUInt64(sampling, field);
        break;
      case Field::CPPTYPE_FLOAT:
        value = Shortest(reflection.GetFloat(sampling, field));
        break;
      default:
        value = reflection.GetBool(sampling, field);
    }
  }
}

}  // namespace

Json MessagesAsJson(const v1::ChatRequest& request) {
  Json messages = Json::array();
  for (const v1::ChatMessage& message : request.messages()) {
    messages.push_back(MessageAsJson(message));
  }
  return messages;
}

std::string ChatBody(const v1::ChatRequest& request) {
  Json body = {{"model", request.model()},
               {"messages", MessagesAsJson(request)},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}}};
  AddSampling(request.sampling(), body);
  return body.dump(-1, ' ', /*ensure_ascii=*/false,
                   Json::error_handler_t::replace);
}

}  // namespace tandem
