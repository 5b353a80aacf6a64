#pragma once

#include <istream>
#include <ostream>
#include <string>

#include "absl/status/status.h"
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

// The interactive `tandem chat`: each line is a turn, but for the commands
// /image FILE, /reset, /help and /quit. Not thread-safe.
class ChatLoop {
 public:
  struct Streams {
    std::istream& in;
    std::ostream& out;  // answers
    std::ostream& err;  // everything that is no answer
    // Somebody reads and types: a prompt is shown, and answers are kept from
    // commanding the terminal.
    bool is_terminal = false;
  };
  // Everything borrowed must outlive the loop.
  ChatLoop(ChatClient& client, Conversation& conversation, Interrupt& interrupt,
           Streams streams);

  // Until /quit or the end of input; false if any line failed.
  bool Run();

 private:
  enum class Next { kGoOn, kQuit };
  Next OnLine(const std::string& line);
  Next OnCommand(const std::string& word, const std::string& rest);
  void Ask(const std::string& text);
  void Explain(const absl::Status& status, bool had_images);
  absl::Status AddImage(const std::string& path);
  void Report(const absl::Status& status);

  ChatClient& client_;
  Conversation& conversation_;
  Interrupt& interrupt_;
  const Streams streams_;
  bool failed_ = false;
};

}  // namespace tandem
