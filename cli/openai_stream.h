#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/chat_client.h"

namespace tandem {

// The chunks of a streamed chat completion put together. A value: one object an
// answer, not thread-safe.
class OpenAiStream {
 public:
  // Takes the data of one event; the text that it adds, often none. An error
  // that the server says in its stream is its status, as FromOpenAiError;
  // INTERNAL for what is no chunk.
  absl::StatusOr<std::string> OnEvent(absl::string_view data);

  // "[DONE]" has come.
  bool done() const { return done_; }
  // Nothing is missing: it is done, or the model has finished and the server
  // does without a last word.
  bool whole() const;
  // As far as it has come. `timings` where the server tells them.
  const ChatAnswer& answer() const { return answer_; }

 private:
  ChatAnswer answer_;
  bool done_ = false;
};

}  // namespace tandem
