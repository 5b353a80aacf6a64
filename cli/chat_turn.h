#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/chat_client.h"
#include "cli/conversation.h"
#include "cli/interrupt.h"

namespace tandem {

// Asks for the answer to `text` and keeps both in the conversation. A turn that
// failed or was stopped is forgotten there; its pictures go with the next one,
// unless the request itself was refused (INVALID_ARGUMENT), for then they may
// be why. Ctrl-C stops it: CANCELLED.
absl::StatusOr<ChatAnswer> AskTurn(ChatClient& client,
                                   Conversation& conversation,
                                   Interrupt& interrupt, std::string text,
                                   const ChatClient::OnText& on_text);

// Asks the last question again and keeps the new answer in the old one's place;
// where there is none, the old one stays. REQUIRES conversation.num_turns() >
// 0.
absl::StatusOr<ChatAnswer> AskAgain(ChatClient& client,
                                    Conversation& conversation,
                                    Interrupt& interrupt,
                                    const ChatClient::OnText& on_text);

}  // namespace tandem
