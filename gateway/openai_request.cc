#include "gateway/openai_request.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "gateway/json_body.h"
#include "gateway/openai_fields.h"

namespace tandem {
namespace {

static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

constexpr size_t kMaxUnknownNames = 16;
constexpr size_t kMaxNameBytes = 64;
// OpenAI's, of /v1/completions.
constexpr uint32_t kDefaultCompletionTokens = 16;

using Text = absl::optional<absl::string_view>;

// Known, and without effect on an answer.
bool IsIgnored(absl::string_view key) {
  constexpr absl::string_view kIgnored[] = {
      "metadata",          "store",      "service_tier",
      "safety_identifier", "prediction", "parallel_tool_calls",
      "reasoning_effort",  "verbosity",  "prompt_cache_retention",
  };
  return std::find(std::begin(kIgnored), std::end(kIgnored), key) !=
         std::end(kIgnored);
}

absl::Status ReadText(JsonValue value, std::string& out) {
  Text text;
  TANDEM_RETURN_IF_ERROR(value.ReadString(text));
  out = std::string(text.value_or(""));
  return absl::OkStatus();
}

absl::Status ReadSwitch(JsonValue value, bool& out) {
  absl::optional<bool> is_on;
  TANDEM_RETURN_IF_ERROR(value.ReadBool(is_on));
  out = is_on.value_or(false);
  return absl::OkStatus();
}

// What chat and completion have in common.
class RequestReader {
 public:
  RequestReader(const OpenAiOptions& options, OpenAiRequest& request)
      : request_(request),
        image_hosts_(options.image_hosts),
        unknown_(options.strict_fields),
        sampling_(*request.chat.mutable_sampling()),
        messages_(options.limits, unknown_, *request.chat.mutable_messages()) {}

  absl::Status ReadChatField(absl::string_view key, JsonValue value) {
    if (key == "messages") {
      return messages_.Read(value);
    }
    TANDEM_ASSIGN_OR_RETURN(const bool is_refused,
                            RefuseUnsupported(key, value));
    return is_refused ? absl::OkStatus() : ReadField(key, value);
  }

  absl::Status ReadCompletionField(absl::string_view key, JsonValue value) {
    if (key == "prompt") return ReadPrompt(value);
    if (key == "logprobs") return sampling_.ReadLogprobsCount(value);
    if (key == "top_logprobs") return unknown_.Ignore(value);
    if (key == "echo") return ReadEcho(value);
    if (key == "best_of") return ReadBestOf(value);
    if (key == "suffix") return ReadSuffix(value);
    TANDEM_ASSIGN_OR_RETURN(const bool is_refused,
                            RefuseUnsupported(key, value));
    return is_refused ? absl::OkStatus() : ReadField(key, value);
  }

  absl::Status FinishChat() {
    TANDEM_RETURN_IF_ERROR(Finish(absl::nullopt));
    if (request_.chat.messages().empty()) {
      return FieldError("messages", "is required, and not empty");
    }
    return messages_.DecodeImages(image_hosts_, request_.remote_images);
  }

  absl::Status FinishCompletion() {
    TANDEM_RETURN_IF_ERROR(Finish(kDefaultCompletionTokens));
    if (request_.chat.prompt().empty()) {
      return FieldError("prompt", "is required, and not empty");
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ReadField(absl::string_view key, JsonValue value) {
    v1::ChatRequest& chat = request_.chat;
    if (key == "model") return ReadText(value, *chat.mutable_model());
    if (key == "stream") return ReadSwitch(value, request_.stream);
    if (key == "stream_options") return ReadStreamOptions(value);
    if (key == "n") return ReadN(value);
    if (key == "user") return ReadText(value, *chat.mutable_user());
    if (key == "prompt_cache_key") {
      return ReadText(value, *chat.mutable_prompt_cache_key());
    }
    if (IsIgnored(key)) return value.Check();
    TANDEM_ASSIGN_OR_RETURN(const bool is_sampling, sampling_.Read(key, value));
    return is_sampling ? absl::OkStatus() : unknown_.Ignore(value);
  }

  absl::Status ReadN(JsonValue value) {
    absl::optional<int64_t> n;
    TANDEM_RETURN_IF_ERROR(value.ReadInteger(1, 1, n));
    request_.chat.set_n(static_cast<uint32_t>(n.value_or(0)));
    return absl::OkStatus();
  }

  absl::Status ReadStreamOptions(JsonValue value) {
    request_.include_usage = request_.continuous_usage = false;
    TANDEM_ASSIGN_OR_RETURN(const JsonValue::Type type, value.GetType());
    has_stream_options_ = type != JsonValue::Type::kNull;
    if (!has_stream_options_) return absl::OkStatus();
    return value.ReadFields([this](absl::string_view key, JsonValue field) {
      if (key == "include_usage") {
        return ReadSwitch(field, request_.include_usage);
      }
      if (key == "continuous_usage_stats") {
        return ReadSwitch(field, request_.continuous_usage);
      }
      if (key == "include_obfuscation") return field.Check();
      return unknown_.Ignore(field);
    });
  }

  absl::Status ReadPrompt(JsonValue value) {
    request_.chat.clear_prompt();
    TANDEM_ASSIGN_OR_RETURN(const JsonValue::Type type, value.GetType());
    std::string& prompt = *request_.chat.mutable_prompt();
    if (type != JsonValue::Type::kList) return ReadText(value, prompt);
    return value.ReadItems([&](int index, JsonValue item) -> absl::Status {
      TANDEM_ASSIGN_OR_RETURN(const JsonValue::Type item_type, item.GetType());
      if (item_type == JsonValue::Type::kNumber ||
          item_type == JsonValue::Type::kList) {
        return value.Unsupported("token ids are not taken; send text");
      }
      if (index > 0) return value.Unsupported("one prompt a request");
      if (item_type == JsonValue::Type::kNull) {
        return item.Error("expected a string, got null");
      }
      return ReadText(item, prompt);
    });
  }

  absl::Status ReadEcho(JsonValue value) {
    bool echo = false;
    TANDEM_RETURN_IF_ERROR(ReadSwitch(value, echo));
    return echo ? value.Unsupported("the prompt is not sent back")
                : absl::OkStatus();
  }

  absl::Status ReadBestOf(JsonValue value) {
    absl::optional<int64_t> best_of;
    TANDEM_RETURN_IF_ERROR(value.ReadInteger(1, INT64_MAX, best_of));
    return best_of.value_or(1) == 1
               ? absl::OkStatus()
               : value.Unsupported("one answer a request: only 1");
  }

  absl::Status ReadSuffix(JsonValue value) {
    std::string suffix;
    TANDEM_RETURN_IF_ERROR(ReadText(value, suffix));
    return suffix.empty() ? absl::OkStatus()
                          : value.Unsupported("nothing is written into a gap");
  }

  absl::Status Finish(absl::optional<uint32_t> default_max_tokens) {
    if (request_.chat.model().empty()) {
      return FieldError("model", "is required, and not empty");
    }
    if (has_stream_options_ && !request_.stream) {
      return FieldError("stream_options", "only with stream: true");
    }
    request_.continuous_usage &= request_.include_usage;
    request_.unknown_fields = unknown_.TakeNames();
    return sampling_.Finish(default_max_tokens);
  }

  OpenAiRequest& request_;
  const std::vector<ImageHost>& image_hosts_;
  UnknownFields unknown_;
  SamplingReader sampling_;
  MessagesReader messages_;
  bool has_stream_options_ = false;
};

}  // namespace

absl::Status UnknownFields::Ignore(JsonValue value) {
  if (strict_) return value.Error("is not a field of this API");
  if (names_.size() < kMaxUnknownNames) {
    names_.push_back(value.path().ToString().substr(0, kMaxNameBytes));
  }
  return value.Check();
}

absl::StatusOr<OpenAiRequest> ParseChatCompletion(
    std::string& body, const OpenAiOptions& options) {
  OpenAiRequest request;
  JsonBody json(body);
  RequestReader reader(options, request);
  TANDEM_RETURN_IF_ERROR(
      json.ReadFields([&reader](absl::string_view key, JsonValue value) {
        return reader.ReadChatField(key, value);
      }));
  TANDEM_RETURN_IF_ERROR(reader.FinishChat());
  return request;
}

absl::StatusOr<OpenAiRequest> ParseCompletion(std::string& body,
                                              const OpenAiOptions& options) {
  OpenAiRequest request;
  JsonBody json(body);
  RequestReader reader(options, request);
  TANDEM_RETURN_IF_ERROR(
      json.ReadFields([&reader](absl::string_view key, JsonValue value) {
        return reader.ReadCompletionField(key, value);
      }));
  TANDEM_RETURN_IF_ERROR(reader.FinishCompletion());
  return request;
}

absl::StatusOr<v1::CountTokensRequest> ParseTokenize(
    std::string& body, const OpenAiOptions& options) {
  v1::CountTokensRequest request;
  JsonBody json(body);
  UnknownFields unknown(options.strict_fields);
  MessagesReader messages(options.limits, unknown, *request.mutable_messages());
  Text prompt;
  TANDEM_RETURN_IF_ERROR(json.ReadFields(
      [&](absl::string_view key, JsonValue value) -> absl::Status {
        if (key == "model") return ReadText(value, *request.mutable_model());
        if (key == "prompt") return value.ReadString(prompt);
        if (key == "messages") return messages.Read(value);
        TANDEM_ASSIGN_OR_RETURN(const bool is_refused,
                                RefuseUnsupported(key, value));
        return is_refused ? absl::OkStatus() : unknown.Ignore(value);
      }));
  if (prompt.has_value() != request.messages().empty()) {
    return FieldError("messages", "expected messages or prompt, and not both");
  }
  if (prompt.has_value()) request.set_prompt(std::string(*prompt));
  request.set_return_token_ids(true);
  std::vector<RemoteImage> none;
  TANDEM_RETURN_IF_ERROR(messages.DecodeImages(/*hosts=*/{}, none));
  return request;
}

absl::Status InOpenAiTerms(const absl::Status& status) {
  constexpr absl::string_view kBadRequest =
      "type.googleapis.com/google.rpc.BadRequest";
  const std::string field = ErrorField(status);
  std::string param(absl::StripPrefix(field, "sampling."));
  constexpr absl::string_view kImage = "].image";
  const size_t image = param.find(kImage.data());
  if (absl::StartsWith(param, "messages[") && image != param.npos) {
    const std::string inner = param.substr(image + kImage.size());
    // "].image_url" is in this API's words already.
    if (inner.empty() || inner[0] == '.') {
      param = absl::StrCat(param.substr(0, image), "].image_url",
                           inner.empty() ? ".url" : inner);
    }
  }
  if (param == field) return status;
  absl::string_view description = status.message();
  if (absl::ConsumePrefix(&description, field)) {
    absl::ConsumePrefix(&description, ": ");
  }
  absl::Status renamed = FieldError(param, ErrorReason(status), description);
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    if (url != kBadRequest) renamed.SetPayload(url, payload);
  });
  return renamed;
}

}  // namespace tandem
