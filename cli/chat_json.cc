#include "cli/chat_json.h"

#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using Json = nlohmann::ordered_json;

const char* FinishWord(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_STOP:
      return "stop";
    case v1::FINISH_REASON_LENGTH:
      return "length";
    case v1::FINISH_REASON_CANCELLED:
      return "cancelled";
    default:
      return "error";
  }
}

Json UsageAsJson(const v1::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens()},
          {"completion_tokens", usage.completion_tokens()},
          {"image_tokens", usage.image_tokens()},
          {"cached_tokens", usage.cached_tokens()}};
}

Json TimingsAsJson(const v1::Timings& timings) {
  return {{"queue", timings.queue()},
          {"image_decode", timings.image_decode()},
          {"preprocess", timings.preprocess()},
          {"encode_queue", timings.encode_queue()},
          {"encode", timings.encode()},
          {"transfer", timings.transfer()},
          {"decode_queue", timings.decode_queue()},
          {"prefill", timings.prefill()},
          {"time_to_first_token", timings.time_to_first_token()},
          {"decode", timings.decode()},
          {"total", timings.total()}};
}

}  // namespace

std::string AnswerAsJson(const ChatAnswer& answer) {
  const Json json = {{"text", answer.text},
                     {"token_ids", answer.token_ids},
                     {"finish_reason", FinishWord(answer.finish_reason)},
                     {"usage", UsageAsJson(answer.usage)},
                     {"timings_ms", TimingsAsJson(answer.timings)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tandem
