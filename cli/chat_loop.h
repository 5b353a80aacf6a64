#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/chat_client.h"
#include "cli/conversation.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/slash_commands.h"
#include "common/clock.h"

namespace tandem {

// The interactive `tandem chat`: each line is a turn, pictures are named in it
// (cli/prompt_line.h), but for the commands of cli/slash_commands.h. A line
// that names a picture that cannot be read is not sent. Not thread-safe.
class ChatLoop {
 public:
  struct Streams {
    LineReader& lines;
    std::ostream& out;  // answers
    std::ostream& err;  // everything that is no answer
    // Somebody reads and types: answers are kept from commanding the terminal,
    // and a dim line tells tokens and times behind each. Ctrl-C stops an answer
    // and never the program.
    bool is_terminal = false;
  };
  // Everything borrowed must outlive the loop.
  ChatLoop(ChatClient& client, Conversation& conversation, Interrupt& interrupt,
           Clock& clock, Streams streams);

  // Until /quit or the end of input; false if any line failed.
  bool Run();

 private:
  enum class Next { kGoOn, kQuit };
  using Asker = std::function<absl::StatusOr<ChatAnswer>(
      const ChatClient::OnText& on_text)>;
  Next OnTyped(const TypedLine& line);
  Next OnLine(const std::string& line);
  Next OnCommand(const std::string& line);
  void Ask(const std::string& text);
  void Retry();
  absl::Status Show(const Asker& ask);
  void Explain(const absl::Status& status, bool had_images);
  // The text of a line, when its pictures wait for the next question.
  absl::StatusOr<std::string> TakePictures(const std::string& line);
  void Report(const absl::Status& status);

  ChatClient& client_;
  Conversation& conversation_;
  Interrupt& interrupt_;
  Clock& clock_;
  const Streams streams_;
  SlashCommands commands_;
  // The last question, where it has no answer: /retry asks it again.
  std::optional<std::string> unanswered_;
  bool failed_ = false;
};

}  // namespace tandem
