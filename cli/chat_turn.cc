#include "cli/chat_turn.h"

#include <utility>

namespace tandem {
namespace {

// The answer to the conversation as it stands.
absl::StatusOr<ChatAnswer> Await(ChatClient& client,
                                 const Conversation& conversation,
                                 Interrupt& interrupt,
                                 const ChatClient::OnText& on_text) {
  const Interrupt::Scope scope(interrupt, [&client] { client.Cancel(); });
  absl::StatusOr<ChatAnswer> answer =
      client.Chat(conversation.request(), on_text);
  if (answer.ok()) return answer;
  return conversation.NameImages(answer.status());
}

}  // namespace

absl::StatusOr<ChatAnswer> AskTurn(ChatClient& client,
                                   Conversation& conversation,
                                   Interrupt& interrupt, std::string text,
                                   const ChatClient::OnText& on_text) {
  conversation.Ask(std::move(text));
  absl::StatusOr<ChatAnswer> answer =
      Await(client, conversation, interrupt, on_text);
  if (answer.ok()) {
    conversation.Answered(answer->text);
  } else if (absl::IsInvalidArgument(answer.status())) {
    conversation.Forget();
  } else {
    conversation.KeepImages();
  }
  return answer;
}

absl::StatusOr<ChatAnswer> AskAgain(ChatClient& client,
                                    Conversation& conversation,
                                    Interrupt& interrupt,
                                    const ChatClient::OnText& on_text) {
  std::string before = conversation.TakeAnswer();
  absl::StatusOr<ChatAnswer> answer =
      Await(client, conversation, interrupt, on_text);
  const bool has_new = answer.ok() && !answer->text.empty();
  conversation.Answered(has_new ? answer->text : std::move(before));
  return answer;
}

}  // namespace tandem
