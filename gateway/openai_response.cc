#include "gateway/openai_response.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string EventOf(const Json& json) {
  return absl::StrCat("data: ", Dump(json), "\n\n");
}

Json FinishReasonJson(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_UNSPECIFIED:
      return nullptr;
    case v1::FINISH_REASON_LENGTH:
      return "length";
    default:
      return "stop";
  }
}

Json UsageJson(const v1::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens()},
          {"completion_tokens", usage.completion_tokens()},
          {"total_tokens", usage.prompt_tokens() + usage.completion_tokens()},
          {"prompt_tokens_details",
           {{"cached_tokens", usage.cached_tokens()},
            {"image_tokens", usage.image_tokens()}}}};
}

Json TimingsJson(const v1::Timings& t) {
  return {{"queue", t.queue()},
          {"image_decode", t.image_decode()},
          {"preprocess", t.preprocess()},
          {"encode_queue", t.encode_queue()},
          {"encode", t.encode()},
          {"transfer", t.transfer()},
          {"decode_queue", t.decode_queue()},
          {"prefill", t.prefill()},
          {"time_to_first_token", t.time_to_first_token()},
          {"decode", t.decode()},
          {"total", t.total()}};
}

// TokenLogprob and its Alternative alike.
template <class Token>
Json TokenJson(const Token& token) {
  Json bytes = Json::array();
  for (const char byte : token.bytes()) {
    bytes.push_back(static_cast<uint8_t>(byte));
  }
  return {{"token", token.bytes()},
          {"logprob", token.logprob()},
          {"bytes", std::move(bytes)}};
}

template <class Logprobs>
Json ChatLogprobs(const Logprobs& logprobs) {
  if (logprobs.empty()) return nullptr;
  Json content = Json::array();
  for (const v1::TokenLogprob& token : logprobs) {
    Json entry = TokenJson(token);
    Json top = Json::array();
    for (const auto& alternative : token.top()) {
      top.push_back(TokenJson(alternative));
    }
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

// As the completions API has them: lists side by side.
template <class Logprobs>
Json CompletionLogprobs(const Logprobs& logprobs, size_t offset) {
  if (logprobs.empty()) return nullptr;
  Json offsets = Json::array(), values = Json::array(), tokens = Json::array(),
       tops = Json::array();
  for (const v1::TokenLogprob& token : logprobs) {
    offsets.push_back(offset);
    offset += token.bytes().size();
    values.push_back(token.logprob());
    tokens.push_back(token.bytes());
    Json top = Json::object();
    for (const auto& alternative : token.top()) {
      // A key must be text, so what is not is shown as it would be printed.
      top[alternative.bytes()] = alternative.logprob();
    }
    tops.push_back(std::move(top));
  }
  return {{"text_offset", std::move(offsets)},
          {"token_logprobs", std::move(values)},
          {"tokens", std::move(tokens)},
          {"top_logprobs", std::move(tops)}};
}

// ChatChunk and ChatResponse alike.
template <class Answer>
Json Envelope(const Answer& answer, const char* object) {
  return {{"id", answer.id()},
          {"object", object},
          {"created", answer.created()},
          {"model", answer.model()},
          {"system_fingerprint", answer.system_fingerprint()}};
}

Json ModelJson(const v1::Model& model, int64_t created) {
  return {{"id", model.id()},
          {"object", "model"},
          {"created", created},
          {"owned_by", "tandem"},
          {"max_model_len", model.max_context_tokens()},
          {"tandem",
           {{"accepts_images", model.accepts_images()},
            {"max_tiles", model.max_tiles()},
            {"tile_size", model.tile_size()},
            {"tokens_per_tile", model.tokens_per_tile()},
            {"dtype", absl::AsciiStrToLower(absl::StripPrefix(
                          v1::DType_Name(model.dtype()), "DTYPE_"))},
            {"profile", absl::AsciiStrToLower(absl::StripPrefix(
                            v1::Profile_Name(model.profile()), "PROFILE_"))},
            {"fingerprint", model.fingerprint()}}}};
}

}  // namespace

std::string OpenAiChunks::Event(const v1::ChatChunk& chunk) {
  const bool is_last = chunk.finish_reason() != v1::FINISH_REASON_UNSPECIFIED;
  Json choice = {{"index", 0}};
  if (form_.chat) {
    Json delta = Json::object();
    // With the first token, not before: load generators take the first choice
    // that they see for it.
    if (!has_role_) delta["role"] = "assistant";
    if (!is_last || !chunk.delta_text().empty() || !has_role_) {
      delta["content"] = chunk.delta_text();
    }
    choice["delta"] = std::move(delta);
    choice["logprobs"] = ChatLogprobs(chunk.logprobs());
  } else {
    choice["text"] = chunk.delta_text();
    choice["logprobs"] = CompletionLogprobs(chunk.logprobs(), text_bytes_);
    text_bytes_ += chunk.delta_text().size();
  }
  has_role_ = true;
  choice["finish_reason"] = FinishReasonJson(chunk.finish_reason());

  last_.set_id(chunk.id());
  last_.set_model(chunk.model());
  last_.set_created(chunk.created());
  last_.set_system_fingerprint(chunk.system_fingerprint());
  v1::Usage& usage = *last_.mutable_usage();
  if (chunk.prompt_tokens() > 0) usage.set_prompt_tokens(chunk.prompt_tokens());
  usage.set_completion_tokens(usage.completion_tokens() +
                              chunk.token_ids_size());
  if (is_last) usage = chunk.usage();

  Json json =
      Envelope(chunk, form_.chat ? "chat.completion.chunk" : "text_completion");
  json["choices"] = Json::array({std::move(choice)});
  if (form_.continuous_usage) {
    json["usage"] = UsageJson(last_.usage());
  } else if (form_.include_usage) {
    json["usage"] = nullptr;
  }
  if (is_last && form_.timings) {
    json["timings_ms"] = TimingsJson(chunk.timings_ms());
  }
  return EventOf(json);
}

std::vector<std::string> OpenAiChunks::LastEvents() const {
  std::vector<std::string> events;
  if (form_.include_usage) {
    Json json = Envelope(
        last_, form_.chat ? "chat.completion.chunk" : "text_completion");
    json["choices"] = Json::array();
    json["usage"] = UsageJson(last_.usage());
    events.push_back(EventOf(json));
  }
  events.push_back(kOpenAiDone);
  return events;
}

std::string OpenAiErrorEvent(const std::string& error) {
  return absl::StrCat("data: ", error, "\n\n");
}

std::string OpenAiAnswerJson(const v1::ChatResponse& answer,
                             const OpenAiForm& form) {
  Json choice = {{"index", 0}};
  if (form.chat) {
    choice["message"] = {{"role", "assistant"},
                         {"content", answer.text()},
                         {"refusal", nullptr}};
    choice["logprobs"] = ChatLogprobs(answer.logprobs());
  } else {
    choice["text"] = answer.text();
    choice["logprobs"] = CompletionLogprobs(answer.logprobs(), /*offset=*/0);
  }
  choice["finish_reason"] = FinishReasonJson(answer.finish_reason());
  Json json =
      Envelope(answer, form.chat ? "chat.completion" : "text_completion");
  json["choices"] = Json::array({std::move(choice)});
  json["usage"] = UsageJson(answer.usage());
  if (form.timings) json["timings_ms"] = TimingsJson(answer.timings_ms());
  return Dump(json);
}

std::string OpenAiModelJson(const v1::Model& model, int64_t created) {
  return Dump(ModelJson(model, created));
}

std::string OpenAiModelsJson(const std::vector<v1::Model>& models,
                             int64_t created) {
  Json data = Json::array();
  for (const v1::Model& model : models)
    data.push_back(ModelJson(model, created));
  return Dump({{"object", "list"}, {"data", std::move(data)}});
}

std::string OpenAiTokensJson(const v1::CountTokensResponse& counted,
                             uint32_t max_model_len) {
  Json tokens = Json::array();
  for (const uint32_t id : counted.token_ids()) tokens.push_back(id);
  return Dump({{"count", counted.prompt_tokens()},
               {"max_model_len", max_model_len},
               {"tokens", std::move(tokens)}});
}

}  // namespace tandem
