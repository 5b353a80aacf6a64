#include "cli/openai_stream.h"

#include "cli/openai_error.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using Json = nlohmann::json;

// Null where there is no such key or it holds null.
const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string Text(const Json* object, const char* key) {
  const Json* value = object == nullptr ? nullptr : Find(*object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>()
                                                : std::string();
}

uint32_t Count(const Json& object, const char* key) {
  const Json* value = Find(object, key);
  return value != nullptr && value->is_number_unsigned()
             ? value->get<uint32_t>()
             : 0;
}

v1::FinishReason FinishReasonOf(const std::string& word) {
  if (word == "stop") return v1::FINISH_REASON_STOP;
  if (word == "length") return v1::FINISH_REASON_LENGTH;
  return v1::FINISH_REASON_ERROR;
}

v1::Usage UsageOf(const Json& json) {
  v1::Usage usage;
  usage.set_prompt_tokens(Count(json, "prompt_tokens"));
  usage.set_completion_tokens(Count(json, "completion_tokens"));
  if (const Json* details = Find(json, "prompt_tokens_details")) {
    usage.set_image_tokens(Count(*details, "image_tokens"));
    usage.set_cached_tokens(Count(*details, "cached_tokens"));
  }
  return usage;
}

// The fields of both APIs have the same names.
v1::Timings TimingsOf(const Json& json) {
  v1::Timings timings;
  const auto* descriptor = v1::Timings::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    const Json* value = Find(json, field->name().c_str());
    if (value == nullptr || !value->is_number()) continue;
    v1::Timings::GetReflection()->SetDouble(&timings, field,
                                            value->get<double>());
  }
  return timings;
}

}  // namespace

absl::StatusOr<std::string> OpenAiStream::OnEvent(absl::string_view data) {
  if (data == "[DONE]") {
    done_ = true;
    return std::string();
  }
  const Json chunk = Json::parse(data.begin(), data.end(), nullptr,
                                 /*allow_exceptions=*/false);
  if (!chunk.is_object()) {
    return MakeError(absl::StatusCode::kInternal, reason::kInternal,
                     "the stream holds an event that is no JSON object");
  }
  if (const Json* error = Find(chunk, "error")) {
    return FromOpenAiError(*error, /*http_status=*/0);
  }
  if (const Json* usage = Find(chunk, "usage")) answer_.usage = UsageOf(*usage);
  if (const Json* timings = Find(chunk, "timings_ms")) {
    answer_.timings = TimingsOf(*timings);
  }
  const Json* choices = Find(chunk, "choices");
  if (choices == nullptr || !choices->is_array() || choices->empty()) {
    return std::string();
  }
  const Json& choice = choices->front();
  if (const std::string word = Text(&choice, "finish_reason"); !word.empty()) {
    answer_.finish_reason = FinishReasonOf(word);
  }
  std::string text = Text(Find(choice, "delta"), "content");
  answer_.text += text;
  return text;
}

bool OpenAiStream::whole() const {
  return done_ || answer_.finish_reason != v1::FINISH_REASON_UNSPECIFIED;
}

}  // namespace tandem
