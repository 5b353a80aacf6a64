#pragma once

#include <string>

#include "cli/chat_client.h"
#include "cli/http_client.h"

namespace tandem {

// ChatClient of an OpenAI-compatible server: /v1/models and
// /v1/chat/completions, streamed. Any such server does; one of ours also tells
// where the time went. Token ids do not cross this wire.
class HttpChatClient final : public ChatClient {
 public:
  explicit HttpChatClient(HostPort server, CallHeaders headers = {});

  absl::StatusOr<v1::Model> FindModel(const std::string& name) override;
  // Also PEER_LOST where the stream ends before the answer does, and INTERNAL
  // where it is no stream of chat completion chunks.
  absl::StatusOr<ChatAnswer> Chat(const v1::ChatRequest& request,
                                  const OnText& on_text) override;
  void Cancel() override { exchange_.Cancel(); }

 private:
  HttpClient exchange_;
  const CallHeaders headers_;
};

}  // namespace tandem
