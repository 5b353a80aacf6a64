#pragma once

#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/conversation.h"

namespace tandem {

// What can be typed with a slash in front, in the order of /help.
struct SlashWord {
  absl::string_view word;      // "/image"
  absl::string_view argument;  // "FILE"; empty for none
  absl::string_view help;
};
const std::vector<SlashWord>& SlashWords();

// The commands of the interactive `tandem chat`. Not thread-safe; everything
// borrowed must outlive it.
class SlashCommands {
 public:
  // `notes` gets what they have to say.
  SlashCommands(Conversation& conversation, std::ostream& notes,
                bool show_timings);

  // What the loop has to do or to know.
  enum class Next { kGoOn, kOtherConversation, kRetry, kQuit };
  // Carries out one line that begins with "/". INVALID_ARGUMENT for an unknown
  // command or argument; errors of files, naming them. On an error nothing has
  // changed.
  absl::StatusOr<Next> Run(absl::string_view line);

  // Whether a line about tokens and times follows each answer.
  bool show_timings() const { return show_timings_; }

 private:
  absl::Status Image(const std::string& path);
  absl::Status Reset();
  absl::Status Undo();
  absl::Status System(const std::string& text);
  absl::Status Set(const std::string& words);
  absl::Status Save(const std::string& path);
  absl::Status Load(const std::string& path);
  absl::Status Timings(const std::string& word);
  void Help();

  Conversation& conversation_;
  std::ostream& notes_;
  bool show_timings_;
  std::set<std::string> own_files_;  // may be written again
};

}  // namespace tandem
