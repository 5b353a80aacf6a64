#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/chat_plan.h"
#include "gateway/remote_url.h"
#include "tandem/v1/gateway.pb.h"

namespace tandem {

// Bodies of the OpenAI-compatible HTTP API into requests of ChatService.
//
// Every function here answers INVALID_ARGUMENT for whatever is wrong with a
// body: with a BadRequest that names OpenAI's path of the parameter
// ("messages[0].content[1].image_url.url", "temperature"), or without one where
// the body is no JSON object at all. Reasons: FIELD_INVALID; IMAGE_INVALID,
// IMAGE_TOO_LARGE and IMAGE_UNSUPPORTED_FORMAT for what a data URL tells;
// UNSUPPORTED_PARAMETER for what is not built and must not be ignored silently:
// an answer would not be what was asked for. RESOURCE_EXHAUSTED OVERLOADED when
// there is no memory to read it. Thread-safe.
//
// Rules of all bodies:
// - One JSON object in UTF-8 and nothing after it; no byte order mark, no lone
//   surrogates, at most 32 levels and 2^20 values, in ignored fields too. An
//   escaped NUL is a character.
// - null is "not set", everywhere but as an item of a list or a map.
// - Of a key that comes twice the last one counts.
// - Numbers are finite and fit 64 bits; 16.0 is an integer.
// - Unknown fields are ignored, and named in the result, unless
//   `strict_fields`.
// - Types and integer ranges are checked here; what depends on the model, and
//   the ranges of the sampling numbers, by the llm service. InOpenAiTerms puts
//   its errors into this API's words.
//
// Memory: `body` is borrowed, and kept as it was but for its capacity (see
// kJsonPadding). Beside the result there is a copy of the strings that have
// escapes and, where a body is nothing but commas, 4 MiB. Images are counted,
// then their encoded lengths checked, then decoded: a request over a bound
// costs no decoding.

struct OpenAiOptions {
  // max_messages, max_parts, max_images and image.max_bytes are used here;
  // PlanChat checks them again, and the others.
  ChatLimits limits;
  // An unknown field is FIELD_INVALID.
  bool strict_fields = false;
  // Where images of a chat may be fetched from; empty: http: and https: URLs
  // are UNSUPPORTED_PARAMETER.
  std::vector<ImageHost> image_hosts = {};
};

struct OpenAiRequest {
  // Sent to ChatEngine as it is. `prompt` is set by ParseCompletion, `messages`
  // by ParseChatCompletion.
  v1::ChatRequest chat;
  bool stream = false;
  // stream_options.include_usage.
  bool include_usage = false;
  // Usage in every chunk; only with include_usage.
  bool continuous_usage = false;
  // Images of `chat` that have no data yet and must be fetched, in the order of
  // the parts; at most limits.max_images.
  std::vector<RemoteImage> remote_images;
  // Paths of fields that were ignored because we do not know them, for a debug
  // log; at most 16, each at most 64 bytes.
  std::vector<std::string> unknown_fields;
};

// A body with so many bytes of spare capacity is read where it is; another one
// is moved to a larger buffer first.
inline constexpr size_t kJsonPadding = 64;

// POST /v1/chat/completions. Beside the table of fields in the API's contract:
//
//   model             required, not empty
//   messages          1 to 256. Roles system, developer, user, assistant;
//                     content is a string or a list of 1 to 64 parts of type
//                     text or image_url, never null: without tool calls OpenAI
//                     does not allow that either. `refusal`, `tool_calls: []`
//                     and whatever else an SDK's answer holds may be sent back.
//   image_url         {url, detail, max_tiles}: detail low, high, auto or
//                     original (= high); max_tiles (ours) 1 to 40
//   max_completion_tokens, max_tokens
//                     >= 1; the first wins where both are set
//   n                 1
//   seed              any 64-bit integer; a negative one is taken modulo 2^64
//   top_k             >= -1, where -1 (vLLM's word) and 0 keep all
//   logit_bias        {"token id": bias}
//   stop              a string or a list of strings
//   stream_options    only with `stream: true`
//   tool_choice, function_call
//                     "none" and "auto", since tools are refused
//   chat_template, chat_template_kwargs, and vLLM's guided_*,
//   structured_outputs
//                     UNSUPPORTED_PARAMETER, whatever they say
absl::StatusOr<OpenAiRequest> ParseChatCompletion(std::string& body,
                                                  const OpenAiOptions& options);

// POST /v1/completions: raw text, no template, no images. As above but
//
//   prompt            a string, or a list of exactly one; not empty. Token ids
//                     and more than one are UNSUPPORTED_PARAMETER
//   max_tokens        16 where it is not set, as in OpenAI's API
//   logprobs          0 to 20: alternatives to report for every token
//   echo, suffix, best_of
//                     UNSUPPORTED_PARAMETER but for false, "" and 1
absl::StatusOr<OpenAiRequest> ParseCompletion(std::string& body,
                                              const OpenAiOptions& options);

// POST /tokenize: {model, messages} or {model, prompt}; `model` may be left out
// and `prompt` be empty. Asks for the token ids. No image is fetched to be
// counted, whatever image_hosts says.
absl::StatusOr<v1::CountTokensRequest> ParseTokenize(
    std::string& body, const OpenAiOptions& options);

// `status` as a client of this API can read it: where it names a field of
// v1::ChatRequest ("sampling.top_p", "messages[0].content[1].image"), the
// parameter that it was read from ("top_p",
// "messages[0].content[1].image_url.url") in field and message. Others, and
// other payloads, are kept as they are.
absl::Status InOpenAiTerms(const absl::Status& status);

}  // namespace tandem
