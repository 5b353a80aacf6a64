#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/config_file.h"
#include "common/host_port.h"
#include "common/option_arguments.h"

namespace tandem {

// Values as text, for the command line, the environment and the file alike. A
// new type of option is a new pair of overloads, found beside the type.
// INVALID_ARGUMENT says what was expected: `"x" is not a whole number`.
absl::Status ParseOption(absl::string_view text, std::string* value);
absl::Status ParseOption(absl::string_view text, int* value);
absl::Status ParseOption(absl::string_view text, int64_t* value);
absl::Status ParseOption(absl::string_view text, uint64_t* value);
absl::Status ParseOption(absl::string_view text, double* value);
absl::Status ParseOption(absl::string_view text,
                         bool* value);  // on|off, true|false, 1|0
absl::Status ParseOption(absl::string_view text,
                         absl::Duration* value);  // 250ms, 5s, 2m
absl::Status ParseOption(absl::string_view text, HostPort* value);
template <class T>
absl::Status ParseOption(absl::string_view text, std::optional<T>* value) {
  return ParseOption(text, &value->emplace());
}

std::string ShowOption(const std::string& value);
std::string ShowOption(int64_t value);
std::string ShowOption(uint64_t value);
inline std::string ShowOption(int value) { return ShowOption(int64_t{value}); }
std::string ShowOption(double value);
std::string ShowOption(bool value);  // on, off
std::string ShowOption(absl::Duration value);
std::string ShowOption(const HostPort& value);
template <class T>
std::string ShowOption(const std::optional<T>& value) {
  return value.has_value() ? ShowOption(*value) : std::string();
}

// The options of one program, or of one of its commands.
//
//   VisionOptions options;
//   CommandLine line("tandem-vision", "Turns images into embeddings.");
//   line.Group("Model");
//   line.Add("model", "DIR", &options.model, "Folder with the
//   weights.").Required(); line.Add("dtype", "auto|float32|bfloat16",
//   &options.dtype, "Of the weights."); line.Add("max-tiles", "1..40",
//   &options.max_tiles, "Most tiles of an image."); line.Example("tandem-vision
//   --model /models/InternVL3-8B --device cuda:0"); if (const auto exit_code =
//   line.Start(argc, argv)) return *exit_code;
//
// A value comes from `--name value` (or `--name=value`), else the environment
// variable TANDEM_NAME (`max-tiles`: TANDEM_MAX_TILES), else the key `name` of
// the TOML file given by `--config` (or TANDEM_CONFIG), else it stays what the
// variable held. An empty environment variable counts as not set. An unknown
// option or key is an error; an unknown TANDEM_* variable is not. Every program
// also has --config, --log-level, --log-format,
// --help and --version.
//
// `usage` is what --help shows for the value and what is allowed: "a|b|c" takes
// one of these words, "1..40" (also "1..", "0.5..2") numbers within the bounds,
// anything else ("DIR", "N") all that the type takes.
//
// Not thread-safe. The variables are borrowed.
class CommandLine {
 public:
  class Option {
   public:
    // Must be given somewhere.
    Option& Required() {
      required_ = true;
      return *this;
    }

   private:
    friend class CommandLine;
    std::string Variable() const;
    std::string Label() const;

    OptionKind kind_ = OptionKind::kValue;
    std::string name_, usage_, help_, group_, default_;
    bool required_ = false;
    bool only_argument_ = false;  // --help: neither variable nor key
    std::function<absl::Status(const std::vector<std::string>&)> set_;
  };

  // What Parse decided.
  struct Outcome {
    // Null: `text` (help or version) is to be printed and nothing to be run.
    const CommandLine* command = nullptr;
    std::string text;
  };
  // Answers null for a variable that is not set.
  using Environment = std::function<const char*(const char*)>;

  CommandLine(std::string program, std::string summary);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // A command ("serve") with options of its own; owned by this object. A
  // program with commands must be given one of them and has no options of its
  // own.
  CommandLine& Command(const std::string& name, std::string summary);

  // Another default of --log-level ("error"), where people read the terminal.
  void LogLevelDefault(std::string level);
  // Heads the options that follow in --help.
  void Group(std::string title) { group_ = std::move(title); }
  // The two options exclude each other. Given in different places the stronger
  // one counts (the command line, then the environment, then the file), given
  // in one place they are an error.
  void Exclude(std::string one, std::string other) {
    exclusions_.push_back({std::move(one), std::move(other)});
  }
  // A line at the end of --help.
  void Example(std::string line) { examples_.push_back(std::move(line)); }

  template <class T>
  Option& Add(std::string name, std::string usage, T* value, std::string help) {
    return AddOption(OptionKind::kValue, std::move(name), std::move(usage),
                     std::move(help), ShowOption(*value),
                     [value](const std::vector<std::string>& texts) {
                       return ParseOption(texts.front(), value);
                     });
  }
  // `--name` alone is on; a variable or key may also say off.
  Option& AddFlag(std::string name, bool* value, std::string help);
  // `--name a --name b`, and `--name a b` where the program has no positional
  // arguments; in the environment separated by commas, in the file an array.
  Option& AddList(std::string name, std::string usage,
                  std::vector<std::string>* values, std::string help);
  // A list of another type, whose entries ParseOption reads; also separated by
  // commas.
  template <class T>
  Option& AddList(std::string name, std::string usage, std::vector<T>* values,
                  std::string help) {
    std::string shown;
    for (const T& value : *values) {
      shown += (shown.empty() ? "" : " ") + ShowOption(value);
    }
    return AddOption(OptionKind::kList, std::move(name), std::move(usage),
                     std::move(help), std::move(shown),
                     [values](const Strings& texts) {
                       std::vector<T> parsed;
                       absl::Status status;
                       for (const std::string& text : Entries(texts)) {
                         status = ParseOption(text, &parsed.emplace_back());
                         if (!status.ok()) return status;
                       }
                       *values = std::move(parsed);
                       return status;
                     });
  }
  // A list whose entries pass CheckTarget; also separated by commas.
  Option& AddTargets(std::string name, std::vector<std::string>* values,
                     std::string help);
  // All arguments without a name; `name` is what --help calls them ("PROMPT").
  // At most one in a program or command.
  Option& AddPositional(std::string name, std::vector<std::string>* values,
                        std::string help);

  // "tandem serve".
  const std::string& name() const { return name_; }

  // Reads `arguments` (without the program's name) into the variables.
  // INVALID_ARGUMENT with one line that says which option, which value, and
  // where it came from.
  absl::StatusOr<Outcome> Parse(const std::vector<std::string>& arguments,
                                const Environment& environment);

  // For main: parses, sets up the log and answers nothing when the program
  // shall run; else the exit code, after printing help (0) or one line (78).
  std::optional<int> Start(int argc, char** argv);
  // After Start: the command that was chosen; this object if it has none.
  const CommandLine& chosen() const { return *chosen_; }

  std::string Help() const;

 private:
  using Strings = std::vector<std::string>;
  struct Given;
  struct Exclusion {
    std::string one, other;
  };

  Option& AddOption(
      OptionKind kind, std::string name, std::string usage, std::string help,
      std::string default_text,
      std::function<absl::Status(const std::vector<std::string>&)> set);
  // Of a list that was given in several texts, each with commas.
  static Strings Entries(const Strings& texts);
  void AddCommonOptions();
  absl::StatusOr<Outcome> ParseCommand(const Strings& arguments,
                                       const Environment& environment);
  absl::Status SetOptions(const GivenArguments& arguments,
                          const Environment& environment);
  absl::Status DropExcluded(std::map<std::string, Given>& given) const;
  absl::Status CheckKeys(const std::string& file,
                         const std::vector<ConfigEntry>& entries) const;
  static absl::Status SetOption(const Option& option, const Given& given);
  std::string OptionHelp() const;
  std::string PositionalUsage() const;

  const std::string name_, word_, summary_;
  std::string group_ = "Options";
  std::vector<std::unique_ptr<Option>> options_;
  std::vector<std::unique_ptr<CommandLine>> commands_;
  std::vector<Exclusion> exclusions_;
  std::vector<std::string> examples_;
  const CommandLine* chosen_ = this;

  std::string config_file_, log_level_ = "info", log_format_ = "text";
  bool help_ = false, version_ = false;
};

}  // namespace tandem
