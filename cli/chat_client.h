#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tandem/v1/gateway.pb.h"

namespace tandem {

// A whole answer.
struct ChatAnswer {
  std::string text;
  // Empty where they do not cross the wire: over HTTP.
  std::vector<uint32_t> token_ids;
  v1::FinishReason finish_reason = v1::FINISH_REASON_UNSPECIFIED;
  v1::Usage usage;
  // Zeros from a server that does not tell them.
  v1::Timings timings;
};

// What goes with every call beside the request: metadata of gRPC, headers of
// HTTP. Names in lower case.
using CallHeaders = std::vector<std::pair<std::string, std::string>>;

// A client of a gateway for one person: one answer at a time. Cancel may come
// from any thread, the rest from one.
class ChatClient {
 public:
  virtual ~ChatClient() = default;

  // The model called `name`, or the only one that is served where `name` is
  // empty. NOT_FOUND MODEL_NOT_FOUND, INVALID_ARGUMENT where several are
  // served, UNAVAILABLE where nobody answers.
  virtual absl::StatusOr<v1::Model> FindModel(const std::string& name) = 0;

  // Sends the request and waits for the end of the answer, 600 s at most;
  // `on_text` gets each piece as it comes. INVALID_ARGUMENT FIELD_INVALID for
  // what CheckChatRequest refuses, before anything is sent; CANCELLED after
  // Cancel; UNAVAILABLE where the connection was lost, DEADLINE_EXCEEDED; else
  // the errors of ChatService.Chat.
  using OnText = std::function<void(absl::string_view)>;
  virtual absl::StatusOr<ChatAnswer> Chat(const v1::ChatRequest& request,
                                          const OnText& on_text) = 0;

  // Ends the Chat that runs now; without one it has no effect.
  virtual void Cancel() = 0;
};

// INVALID_ARGUMENT FIELD_INVALID for text that is not UTF-8, which a server
// could not say where it was, and for a request above 32 MiB.
absl::Status CheckChatRequest(const v1::ChatRequest& request);

}  // namespace tandem
