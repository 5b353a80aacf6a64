#include "cli/chat_loop.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/error_line.h"
#include "cli/image_file.h"
#include "cli/terminal_text.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

constexpr char kHelp[] =
    "A line is what you say; the whole conversation is sent with it.\n"
    "  /image FILE  adds a picture to the next line: JPEG, PNG, WebP or BMP\n"
    "  /reset       forgets the conversation\n"
    "  /help        this\n"
    "  /quit        ends; so does Ctrl-D\n"
    "Ctrl-C stops an answer.\n";

}  // namespace

absl::StatusOr<ChatAnswer> AskTurn(ChatClient& client,
                                   Conversation& conversation,
                                   Interrupt& interrupt, std::string text,
                                   const ChatClient::OnText& on_text) {
  const v1::ChatRequest& request = conversation.Ask(std::move(text));
  const Interrupt::Scope scope(interrupt, [&client] { client.Cancel(); });
  absl::StatusOr<ChatAnswer> answer = client.Chat(request, on_text);
  if (answer.ok()) {
    conversation.Answered(answer->text);
    return answer;
  }
  const absl::Status status = conversation.NameImages(answer.status());
  if (absl::IsInvalidArgument(status)) {
    conversation.Forget();
  } else {
    conversation.KeepImages();
  }
  return status;
}

ChatLoop::ChatLoop(ChatClient& client, Conversation& conversation,
                   Interrupt& interrupt, Streams streams)
    : client_(client),
      conversation_(conversation),
      interrupt_(interrupt),
      streams_(streams) {}

bool ChatLoop::Run() {
  if (streams_.is_terminal) streams_.err << "/help lists what can be typed.\n";
  std::string line;
  while (true) {
    if (streams_.is_terminal) streams_.out << "> " << std::flush;
    if (!std::getline(streams_.in, line)) break;
    if (OnLine(line) == Next::kQuit) return !failed_;
  }
  if (streams_.is_terminal) streams_.out << std::endl;
  return !failed_;
}

ChatLoop::Next ChatLoop::OnLine(const std::string& line) {
  if (absl::StripAsciiWhitespace(line).empty()) return Next::kGoOn;
  if (!absl::StartsWith(line, "/")) {
    Ask(line);
    return Next::kGoOn;
  }
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(line, absl::MaxSplits(absl::ByAnyChar(" \t"), 1));
  return OnCommand(parts.first,
                   std::string(absl::StripAsciiWhitespace(parts.second)));
}

ChatLoop::Next ChatLoop::OnCommand(const std::string& word,
                                   const std::string& rest) {
  if (word == "/quit" || word == "/exit") return Next::kQuit;
  if (word == "/help") {
    streams_.err << kHelp;
  } else if (word == "/reset") {
    conversation_.Reset();
    streams_.err << "The conversation begins anew.\n";
  } else if (word == "/image") {
    Report(AddImage(rest));
  } else {
    Report(absl::InvalidArgumentError(
        absl::StrCat("unknown command ", word,
                     "; /help lists them (to say something that "
                     "begins with /, put a space in front)")));
  }
  return Next::kGoOn;
}

void ChatLoop::Ask(const std::string& text) {
  const bool had_images = conversation_.images_waiting() > 0;
  const absl::StatusOr<ChatAnswer> answer = AskTurn(
      client_, conversation_, interrupt_, text, [this](absl::string_view part) {
        const std::string shown =
            streams_.is_terminal ? TerminalText(part) : std::string(part);
        streams_.out << shown << std::flush;
      });
  streams_.out << std::endl;
  if (!absl::IsCancelled(answer.status())) Report(answer.status());
  if (!answer.ok()) Explain(answer.status(), had_images);
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

absl::Status ChatLoop::AddImage(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("/image wants a FILE");
  TANDEM_ASSIGN_OR_RETURN(Picture picture, ReadPicture(path));
  conversation_.AddImage(std::move(picture.bytes), path);
  streams_.err << OneLine(path) << ": " << picture.header.width << " x "
               << picture.header.height
               << " pixels, goes with your next line\n";
  return absl::OkStatus();
}

void ChatLoop::Report(const absl::Status& status) {
  if (status.ok()) return;
  failed_ = true;
  streams_.err << "tandem chat: " << ErrorLine(status) << std::endl;
}

}  // namespace tandem
