#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tandem/v1/gateway.pb.h"

namespace tandem {

// Answers of the OpenAI-compatible API, as JSON on one line. Text that is not
// UTF-8 (a token may end inside a character) is shown with U+FFFD.

// What a client asked an answer to look like.
struct OpenAiForm {
  bool chat = true;  // else a completion
  bool include_usage = false;
  bool continuous_usage = false;
  bool timings = false;  // header x-tandem-timings: 1
};

// One streamed answer: chunk after chunk. Not thread-safe.
class OpenAiChunks {
 public:
  explicit OpenAiChunks(const OpenAiForm& form) : form_(form) {}

  // The event of one chunk, "data: {...}\n\n".
  std::string Event(const v1::ChatChunk& chunk);
  // What comes after the last chunk, an event each: usage where it was asked
  // for, then the end.
  std::vector<std::string> LastEvents() const;

 private:
  const OpenAiForm form_;
  bool has_role_ = false;
  uint32_t text_bytes_ = 0;  // of a completion, for its text offsets
  v1::ChatChunk last_;       // id, model, created; usage so far
};

inline constexpr char kOpenAiDone[] = "data: [DONE]\n\n";
// `error` is an error object's JSON.
std::string OpenAiErrorEvent(const std::string& error);

// A whole answer. `answer.text` and its like are the chunks' put together.
std::string OpenAiAnswerJson(const v1::ChatResponse& answer,
                             const OpenAiForm& form);

// `created`: since when it is served, in seconds since 1970.
std::string OpenAiModelJson(const v1::Model& model, int64_t created);
std::string OpenAiModelsJson(const std::vector<v1::Model>& models,
                             int64_t created);
// {"count", "max_model_len", "tokens"}.
std::string OpenAiTokensJson(const v1::CountTokensResponse& counted,
                             uint32_t max_model_len);

}  // namespace tandem
