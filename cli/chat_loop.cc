#include "cli/chat_loop.h"

#include <sys/stat.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "cli/answer_timing.h"
#include "cli/chat_turn.h"
#include "cli/error_line.h"
#include "cli/image_file.h"
#include "cli/prompt_line.h"
#include "cli/terminal_text.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

bool IsThere(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0;
}

}  // namespace

ChatLoop::ChatLoop(ChatClient& client, Conversation& conversation,
                   Interrupt& interrupt, Clock& clock, Streams streams)
    : client_(client),
      conversation_(conversation),
      interrupt_(interrupt),
      clock_(clock),
      streams_(streams),
      commands_(conversation, streams.err,
                /*show_timings=*/streams.is_terminal) {}

bool ChatLoop::Run() {
  std::optional<Interrupt::Session> session;
  if (streams_.is_terminal) {
    session.emplace(interrupt_);
    streams_.err << "/help lists what can be typed.\n";
  }
  while (OnTyped(streams_.lines.Read()) == Next::kGoOn) {
  }
  return !failed_;
}

ChatLoop::Next ChatLoop::OnTyped(const TypedLine& line) {
  switch (line.kind) {
    case TypedLine::Kind::kLine:
      return OnLine(line.text);
    case TypedLine::Kind::kInterrupted:
      if (line.text.empty()) streams_.err << "(Ctrl-D or /quit ends)\n";
      return Next::kGoOn;
    case TypedLine::Kind::kEnd:
      break;
  }
  if (streams_.is_terminal) streams_.out << std::endl;
  return Next::kQuit;
}

ChatLoop::Next ChatLoop::OnLine(const std::string& line) {
  if (absl::StripAsciiWhitespace(line).empty()) return Next::kGoOn;
  if (absl::StartsWith(line, "/") && !BeginsWithPicture(line)) {
    return OnCommand(line);
  }
  const absl::StatusOr<std::string> text = TakePictures(line);
  if (!text.ok()) {
    Report(text.status());
    streams_.err << "(nothing was sent; a \\ in front of @ or of a picture's "
                    "name makes it text)\n";
  } else if (!text->empty()) {
    Ask(*text);
  }
  return Next::kGoOn;
}

ChatLoop::Next ChatLoop::OnCommand(const std::string& line) {
  const absl::StatusOr<SlashCommands::Next> next = commands_.Run(line);
  Report(next.status());
  if (!next.ok()) return Next::kGoOn;
  if (*next == SlashCommands::Next::kQuit) return Next::kQuit;
  if (*next == SlashCommands::Next::kRetry) {
    Retry();
  } else if (*next == SlashCommands::Next::kOtherConversation) {
    unanswered_.reset();
  }
  return Next::kGoOn;
}

absl::StatusOr<std::string> ChatLoop::TakePictures(const std::string& line) {
  PromptLine prompt = ParsePromptLine(line, IsThere);
  std::vector<Picture> pictures;
  for (const std::string& path : prompt.images) {
    TANDEM_ASSIGN_OR_RETURN(Picture picture, ReadPicture(path));
    pictures.push_back(std::move(picture));
  }
  for (size_t i = 0; i < pictures.size(); ++i) {
    streams_.err << "[" << OneLine(prompt.images[i]) << ": "
                 << pictures[i].header.width << " x "
                 << pictures[i].header.height << " pixels"
                 << (prompt.text.empty() ? ", goes with your next line" : "")
                 << "]\n";
    conversation_.AddImage(std::move(pictures[i].bytes), prompt.images[i]);
  }
  return prompt.text;
}

void ChatLoop::Ask(const std::string& text) {
  const bool had_images = conversation_.images_waiting() > 0;
  const absl::Status status = Show([&](const ChatClient::OnText& on_text) {
    return AskTurn(client_, conversation_, interrupt_, text, on_text);
  });
  unanswered_.reset();
  if (status.ok()) return;
  unanswered_ = text;
  Explain(status, had_images);
}

void ChatLoop::Retry() {
  if (unanswered_.has_value()) return Ask(std::string(*unanswered_));
  if (conversation_.num_turns() == 0) {
    return Report(
        absl::InvalidArgumentError("/retry: nothing has been said yet"));
  }
  const absl::Status status = Show([&](const ChatClient::OnText& on_text) {
    return AskAgain(client_, conversation_, interrupt_, on_text);
  });
  if (!status.ok()) streams_.err << "(the answer before stays)\n";
}

// Prints an answer as it comes, and what there is to say about it.
absl::Status ChatLoop::Show(const Asker& ask) {
  const absl::Duration start = clock_.Monotonic();
  std::optional<absl::Duration> first_text;
  const absl::StatusOr<ChatAnswer> answer = ask([&](absl::string_view part) {
    if (!first_text.has_value()) first_text = clock_.Monotonic() - start;
    const std::string shown =
        streams_.is_terminal ? TerminalText(part) : std::string(part);
    streams_.out << shown << std::flush;
  });
  streams_.out << std::endl;
  if (!absl::IsCancelled(answer.status())) Report(answer.status());
  if (answer.ok() && commands_.show_timings()) {
    const absl::Duration total = clock_.Monotonic() - start;
    const std::string line =
        TimingLine(answer->usage,
                   {.first_text = first_text.value_or(total), .total = total});
    streams_.err << (streams_.is_terminal ? "\x1B[2m" : "") << line
                 << (streams_.is_terminal ? "\x1B[0m" : "") << std::endl;
  }
  return answer.status();
}

// What became of a turn without an answer.
void ChatLoop::Explain(const absl::Status& status, bool had_images) {
  std::vector<std::string> words;
  if (absl::IsCancelled(status)) words.push_back("stopped");
  if (conversation_.images_waiting() > 0) {
    words.push_back(
        "this turn is forgotten, its pictures go with your next line");
  } else {
    words.push_back(had_images ? "this turn and its pictures are forgotten"
                               : "this turn is forgotten");
  }
  if (ErrorReason(status) == reason::kContextLengthExceeded) {
    words.push_back("/reset begins anew");
  }
  streams_.err << "(" << absl::StrJoin(words, "; ") << ")\n";
}

void ChatLoop::Report(const absl::Status& status) {
  if (status.ok()) return;
  failed_ = true;
  streams_.err << "tandem chat: " << ErrorLine(status) << std::endl;
}

}  // namespace tandem
