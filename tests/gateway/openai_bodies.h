#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gateway/openai_request.h"

namespace tandem {

// A chat that asks "hi", with `fields` (",\"n\":1") after its own.
inline std::string ChatBody(absl::string_view fields) {
  return absl::StrCat(R"({"model":"m","messages":[{"role":"user","content":)",
                      R"("hi"}])", fields, "}");
}

// A chat whose messages are `messages`: the items of the list.
inline std::string MessagesBody(absl::string_view messages) {
  return absl::StrCat(R"({"model":"m","messages":[)", messages, "]}");
}

// A chat of one message whose content is a list of `parts`.
inline std::string PartsBody(absl::string_view parts) {
  return MessagesBody(
      absl::StrCat(R"({"role":"user","content":[)", parts, "]}"));
}

inline std::string ImageUrlPart(absl::string_view url) {
  return absl::StrCat(R"({"type":"image_url","image_url":{"url":")", url,
                      R"("}})");
}

inline absl::StatusOr<OpenAiRequest> Chat(std::string body,
                                          const OpenAiOptions& options = {}) {
  return ParseChatCompletion(body, options);
}

inline absl::StatusOr<OpenAiRequest> Completion(
    std::string body, const OpenAiOptions& options = {}) {
  return ParseCompletion(body, options);
}

inline absl::StatusOr<v1::CountTokensRequest> Tokenize(
    std::string body, const OpenAiOptions& options = {}) {
  return ParseTokenize(body, options);
}

}  // namespace tandem
