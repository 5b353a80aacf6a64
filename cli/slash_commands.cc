#include "cli/slash_commands.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/conversation_file.h"
#include "cli/error_line.h"
#include "cli/image_file.h"
#include "cli/prompt_line.h"
#include "cli/settings.h"
#include "cli/terminal_text.h"
#include "cli/text_file.h"
#include "common/status_macros.h"
#include "common/utf8.h"

namespace tandem {
namespace {

// A conversation's request has 32 MiB at most, in base64 a third more.
constexpr int64_t kMaxFileBytes = 64 << 20;

constexpr char kUnknown[] =
    "; /help lists them (to say something that begins with /, put a space in "
    "front)";

std::string Turns(int count) {
  return absl::StrCat(count, count == 1 ? " turn" : " turns");
}

}  // namespace

const std::vector<SlashWord>& SlashWords() {
  static const auto* const kWords = new std::vector<SlashWord>{
      {"/image", "FILE", "adds a picture to the next line"},
      {"/retry", "", "asks the last question again"},
      {"/undo", "", "forgets the last question and its answer"},
      {"/reset", "", "forgets the conversation"},
      {"/system", "[TEXT]", "what the model is told first; without: its own"},
      {"/set", "[NAME VALUE]",
       "temperature, max_tokens and others; or default"},
      {"/timings", "[on|off]", "tokens and times behind each answer"},
      {"/save", "FILE", "the conversation as JSON, pictures included"},
      {"/load", "FILE", "goes on with a conversation that was saved"},
      {"/help", "", "this"},
      {"/quit", "", "ends; so does Ctrl-D"},
  };
  return *kWords;
}

SlashCommands::SlashCommands(Conversation& conversation, std::ostream& notes,
                             bool show_timings)
    : conversation_(conversation), notes_(notes), show_timings_(show_timings) {}

absl::StatusOr<SlashCommands::Next> SlashCommands::Run(absl::string_view line) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(line, absl::MaxSplits(absl::ByAnyChar(" \t"), 1));
  const std::string& word = parts.first;
  const std::string rest(absl::StripAsciiWhitespace(parts.second));
  if (word == "/quit" || word == "/exit") return Next::kQuit;
  if (word == "/retry") return Next::kRetry;
  absl::Status status;
  if (word == "/image") {
    status = Image(UnquotePath(rest));
  } else if (word == "/reset") {
    status = Reset();
  } else if (word == "/undo") {
    status = Undo();
  } else if (word == "/system") {
    status = System(rest);
  } else if (word == "/set") {
    status = Set(rest);
  } else if (word == "/save") {
    status = Save(UnquotePath(rest));
  } else if (word == "/load") {
    status = Load(UnquotePath(rest));
  } else if (word == "/timings") {
    status = Timings(rest);
  } else if (word == "/help") {
    Help();
  } else {
    status = absl::InvalidArgumentError(
        absl::StrCat("unknown command ", word, kUnknown));
  }
  if (!status.ok()) return status;
  const bool is_other = word == "/reset" || word == "/load";
  return is_other ? Next::kOtherConversation : Next::kGoOn;
}

absl::Status SlashCommands::Image(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("/image wants a FILE");
  TANDEM_ASSIGN_OR_RETURN(Picture picture, ReadPicture(path));
  conversation_.AddImage(std::move(picture.bytes), path);
  notes_ << OneLine(path) << ": " << picture.header.width << " x "
         << picture.header.height << " pixels, goes with your next line\n";
  return absl::OkStatus();
}

absl::Status SlashCommands::Reset() {
  conversation_.Reset();
  notes_ << "The conversation begins anew.\n";
  return absl::OkStatus();
}

absl::Status SlashCommands::Undo() {
  if (conversation_.num_turns() == 0) {
    return absl::InvalidArgumentError("/undo: nothing has been said yet");
  }
  conversation_.Undo();
  notes_ << "The last question and its answer are forgotten; "
         << Turns(conversation_.num_turns()) << " left.\n";
  return absl::OkStatus();
}

absl::Status SlashCommands::System(const std::string& text) {
  if (const absl::Status status = CheckUtf8(text); !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("/system: ", status.message()));
  }
  conversation_.SetSystem(text);
  notes_ << (text.empty() ? "The model is told its own words first.\n"
                          : "The model is told this first from now on.\n");
  return absl::OkStatus();
}

absl::Status SlashCommands::Set(const std::string& words) {
  if (!words.empty()) {
    const std::pair<std::string, std::string> setting =
        absl::StrSplit(words, absl::MaxSplits(absl::ByAnyChar(" \t="), 1));
    TANDEM_RETURN_IF_ERROR(
        ChangeSetting(setting.first, absl::StripAsciiWhitespace(setting.second),
                      conversation_));
  }
  const std::string shown = ShowSettings(conversation_);
  notes_ << (shown.empty() ? "Everything is the model's default." : shown)
         << "\n";
  return absl::OkStatus();
}

absl::Status SlashCommands::Save(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("/save wants a FILE");
  const std::string text = ConversationFile(conversation_.request());
  TANDEM_RETURN_IF_ERROR(
      WriteTextFile(path, text, /*may_replace=*/own_files_.count(path) > 0));
  own_files_.insert(path);
  notes_ << OneLine(path) << ": " << Turns(conversation_.num_turns())
         << " saved\n";
  return absl::OkStatus();
}

absl::Status SlashCommands::Load(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("/load wants a FILE");
  TANDEM_ASSIGN_OR_RETURN(const std::string text,
                          ReadTextFile(path, kMaxFileBytes));
  const auto messages = ReadConversationFile(text);
  if (!messages.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", messages.status().message()));
  }
  conversation_.Replace(*messages, path);
  own_files_.insert(path);
  notes_ << OneLine(path) << ": goes on after "
         << Turns(conversation_.num_turns()) << "\n";
  return absl::OkStatus();
}

absl::Status SlashCommands::Timings(const std::string& word) {
  if (!word.empty() && word != "on" && word != "off") {
    return absl::InvalidArgumentError(
        absl::StrCat("/timings: ", word, " is neither on nor off"));
  }
  show_timings_ = word.empty() ? !show_timings_ : word == "on";
  notes_ << "Timings are " << (show_timings_ ? "on" : "off") << ".\n";
  return absl::OkStatus();
}

void SlashCommands::Help() {
  notes_ << "A line is what you say; the whole conversation is sent with it.\n"
            "Pictures (JPEG, PNG, WebP, BMP) are named in the line: cat.png, "
            "@scan, \"my cat.png\".\n";
  for (const SlashWord& word : SlashWords()) {
    std::string usage = absl::StrCat(word.word, " ", word.argument);
    usage.resize(22, ' ');
    notes_ << "  " << usage << word.help << "\n";
  }
  notes_ << "Ctrl-C stops an answer, Tab completes, the arrow up brings lines "
            "back.\n";
}

}  // namespace tandem
