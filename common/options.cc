#include "common/options.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/config_file.h"
#include "common/log.h"
#include "common/process.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

using Strings = std::vector<std::string>;

// What `usage` allows: see the header.
absl::Status CheckUsage(absl::string_view usage, absl::string_view text) {
  if (absl::StrContains(usage, '|')) {
    for (const absl::string_view word : absl::StrSplit(usage, '|')) {
      if (word == text) return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not one of ", usage));
  }
  const std::pair<absl::string_view, absl::string_view> bounds =
      absl::StrSplit(usage, absl::MaxSplits("..", 1));
  double low, high, value;
  // Text that is no number is left to ParseOption, which says so.
  if (!absl::SimpleAtod(bounds.first, &low) ||
      !absl::SimpleAtod(text, &value)) {
    return absl::OkStatus();
  }
  if (!absl::SimpleAtod(bounds.second, &high)) {
    if (value >= low) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(text, " is less than ", bounds.first));
  }
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      text, " is outside [", bounds.first, ", ", bounds.second, "]"));
}

absl::Status Prefixed(absl::string_view where, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": ", status.message()));
}

absl::StatusOr<std::vector<ConfigEntry>> ReadConfigFile(
    const std::string& path) {
  if (path.empty()) return std::vector<ConfigEntry>();
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file),
                         std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad() || errno != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--config: cannot read ", path, ": ", std::strerror(errno)));
  }
  absl::StatusOr<std::vector<ConfigEntry>> entries = ParseConfig(text);
  if (!entries.ok()) return Prefixed(path, entries.status());
  return entries;
}

LogOptions LogOptionsOf(absl::string_view level, absl::string_view format) {
  LogOptions options;
  if (level == "debug") options.level = LogLevel::kDebug;
  if (level == "warning") options.level = LogLevel::kWarning;
  if (level == "error") options.level = LogLevel::kError;
  if (format == "json") options.format = LogFormat::kJson;
  return options;
}

}  // namespace

std::string CommandLine::Option::Variable() const {
  return absl::StrCat(
      "TANDEM_",
      absl::StrReplaceAll(absl::AsciiStrToUpper(name_), {{"-", "_"}}));
}

std::string CommandLine::Option::Label() const {
  return kind_ == OptionKind::kPositional ? name_ : absl::StrCat("--", name_);
}

CommandLine::CommandLine(std::string program, std::string summary)
    : name_(std::move(program)),
      word_(name_.substr(name_.rfind(' ') + 1)),
      summary_(std::move(summary)) {
  AddCommonOptions();
}

CommandLine::~CommandLine() = default;

void CommandLine::AddCommonOptions() {
  Group(kCommonGroup);
  Add("config", "FILE", &config_file_,
      "Options as a TOML file: `name = value` lines.");
  Add("log-level", "debug|info|warning|error", &log_level_,
      "Least level that is logged.");
  Add("log-format", "text|json", &log_format_,
      "One line per event, on standard error.");
  AddFlag("help", &help_, "Prints this text.").only_argument_ = true;
  AddFlag("version", &version_, "Prints the version.").only_argument_ = true;
  Group("Options");
}

void CommandLine::LogLevelDefault(std::string level) {
  for (const auto& option : options_) {
    if (option->name_ == "log-level") option->default_ = level;
  }
  log_level_ = std::move(level);
}

CommandLine& CommandLine::Command(const std::string& name,
                                  std::string summary) {
  commands_.push_back(std::make_unique<CommandLine>(
      absl::StrCat(name_, " ", name), std::move(summary)));
  return *commands_.back();
}

CommandLine::Option& CommandLine::AddOption(
    OptionKind kind, std::string name, std::string usage, std::string help,
    std::string default_text, std::function<absl::Status(const Strings&)> set) {
  auto option = std::make_unique<Option>();
  option->kind_ = kind;
  option->name_ = std::move(name);
  option->usage_ = usage;
  option->help_ = std::move(help);
  option->group_ = group_;
  option->default_ = std::move(default_text);
  option->set_ = [usage = std::move(usage),
                  set = std::move(set)](const Strings& values) {
    for (const std::string& value : values) {
      TANDEM_RETURN_IF_ERROR(CheckUsage(usage, value));
    }
    return set(values);
  };
  options_.push_back(std::move(option));
  return *options_.back();
}

CommandLine::Option& CommandLine::AddFlag(std::string name, bool* value,
                                          std::string help) {
  return AddOption(OptionKind::kFlag, std::move(name), "", std::move(help), "",
                   [value](const Strings& texts) {
                     return ParseOption(texts.back(), value);
                   });
}

CommandLine::Option& CommandLine::AddList(std::string name, std::string usage,
                                          Strings* values, std::string help) {
  return AddOption(OptionKind::kList, std::move(name), std::move(usage),
                   std::move(help), absl::StrJoin(*values, " "),
                   [values](const Strings& texts) {
                     *values = texts;
                     return absl::OkStatus();
                   });
}

CommandLine::Strings CommandLine::Entries(const Strings& texts) {
  return absl::StrSplit(absl::StrJoin(texts, ","), ',');
}

CommandLine::Option& CommandLine::AddTargets(std::string name, Strings* values,
                                             std::string help) {
  return AddOption(OptionKind::kList, std::move(name), "TARGET",
                   std::move(help), absl::StrJoin(*values, " "),
                   [values](const Strings& texts) {
                     values->clear();
                     for (std::string& target : Entries(texts)) {
                       TANDEM_RETURN_IF_ERROR(CheckTarget(target));
                       values->push_back(std::move(target));
                     }
                     return absl::OkStatus();
                   });
}

CommandLine::Option& CommandLine::AddPositional(std::string name,
                                                Strings* values,
                                                std::string help) {
  std::string usage = name;
  Option& option =
      AddOption(OptionKind::kPositional, std::move(name), std::move(usage),
                std::move(help), "", [values](const Strings& texts) {
                  *values = texts;
                  return absl::OkStatus();
                });
  option.only_argument_ = true;
  return option;
}

// One option's values and where they were found, for messages.
struct CommandLine::Given {
  enum Source { kNowhere, kFile, kEnvironment, kCommandLine };  // ever stronger
  Source source = kNowhere;
  Strings values = {};
  std::string where = {};
};

absl::StatusOr<CommandLine::Outcome> CommandLine::ParseCommand(
    const Strings& arguments, const Environment& environment) {
  const std::string first = arguments.empty() ? "--help" : arguments.front();
  Strings words;
  for (const auto& command : commands_) {
    words.push_back(command->word_);
    if (command->word_ != first) continue;
    absl::StatusOr<Outcome> outcome = command->Parse(
        Strings(arguments.begin() + 1, arguments.end()), environment);
    chosen_ = command.get();
    return outcome;
  }
  if (first == "--help" || first == "-h" || first == "help")
    return Outcome{nullptr, Help()};
  if (first == "--version") {
    return Outcome{nullptr,
                   absl::StrCat(name_, " ", Version(), " (", Commit(), ")\n")};
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown command \"", first, "\"", DidYouMean(first, words, "")));
}

absl::StatusOr<CommandLine::Outcome> CommandLine::Parse(
    const Strings& arguments, const Environment& environment) {
  if (!commands_.empty()) return ParseCommand(arguments, environment);
  std::vector<ArgumentSpec> specs;
  for (const auto& option : options_)
    specs.push_back({option->name_, option->kind_});
  TANDEM_ASSIGN_OR_RETURN(const GivenArguments given,
                          SplitArguments(specs, arguments));
  if (given.contains("help")) return Outcome{nullptr, Help()};
  if (given.contains("version")) {
    return Outcome{nullptr,
                   absl::StrCat(name_, " ", Version(), " (", Commit(), ")\n")};
  }
  TANDEM_RETURN_IF_ERROR(SetOptions(given, environment));
  return Outcome{this, ""};
}

absl::Status CommandLine::SetOptions(const GivenArguments& arguments,
                                     const Environment& environment) {
  const auto variable = [&](const Option& option) -> std::string {
    const char* value = option.only_argument_
                            ? nullptr
                            : environment(option.Variable().c_str());
    return value == nullptr ? "" : value;
  };
  const auto config = arguments.find("config");
  const std::string file = config == arguments.end()
                               ? variable(*options_.front())
                               : config->second.front();
  TANDEM_ASSIGN_OR_RETURN(const std::vector<ConfigEntry> entries,
                          ReadConfigFile(file));
  TANDEM_RETURN_IF_ERROR(CheckKeys(file, entries));
  std::map<std::string, Given> all;
  for (const auto& option : options_) {
    Given& given = all[option->name_];
    for (const ConfigEntry& entry : entries) {
      if (entry.key != option->name_) continue;
      given = {Given::kFile, entry.values,
               absl::StrCat(file, ": line ", entry.line, ": ", entry.key)};
    }
    if (const std::string text = variable(*option); !text.empty()) {
      const bool list = option->kind_ == OptionKind::kList;
      given = {Given::kEnvironment,
               list ? Strings(absl::StrSplit(text, ',')) : Strings{text},
               option->Variable()};
    }
    if (const auto found = arguments.find(option->name_);
        found != arguments.end()) {
      given = {Given::kCommandLine, found->second, option->Label()};
    }
  }
  TANDEM_RETURN_IF_ERROR(DropExcluded(all));
  for (const auto& option : options_) {
    TANDEM_RETURN_IF_ERROR(SetOption(*option, all[option->name_]));
  }
  return absl::OkStatus();
}

absl::Status CommandLine::DropExcluded(
    std::map<std::string, Given>& given) const {
  for (const Exclusion& exclusion : exclusions_) {
    Given& one = given[exclusion.one];
    Given& other = given[exclusion.other];
    if (one.source == Given::kNowhere || other.source == Given::kNowhere) {
      continue;
    }
    if (one.source == other.source) {
      return absl::InvalidArgumentError(
          absl::StrCat(one.where, " and ", other.where, " exclude each other"));
    }
    (one.source < other.source ? one : other) = {};
  }
  return absl::OkStatus();
}

absl::Status CommandLine::CheckKeys(
    const std::string& file, const std::vector<ConfigEntry>& entries) const {
  Strings names;
  for (const auto& option : options_) {
    if (!option->only_argument_ && option->name_ != "config")
      names.push_back(option->name_);
  }
  for (const ConfigEntry& entry : entries) {
    if (std::find(names.begin(), names.end(), entry.key) != names.end())
      continue;
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": line ", entry.line, ": unknown key ", entry.key,
                     DidYouMean(entry.key, names, "")));
  }
  return absl::OkStatus();
}

absl::Status CommandLine::SetOption(const Option& option, const Given& given) {
  if (given.source == Given::kNowhere) {
    if (!option.required_) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(option.Label(), " is required"));
  }
  const bool many = option.kind_ == OptionKind::kList ||
                    option.kind_ == OptionKind::kPositional;
  if (!many && given.values.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(given.where, ": one value is wanted, ",
                     given.values.size(), " are given"));
  }
  return Prefixed(given.where, option.set_(given.values));
}

std::optional<int> CommandLine::Start(int argc, char** argv) {
  const absl::StatusOr<Outcome> outcome =
      Parse(Strings(argv + 1, argv + argc),
            [](const char* name) { return std::getenv(name); });
  if (!outcome.ok()) {
    std::fprintf(stderr, "%s: %s\n", name_.c_str(),
                 std::string(outcome.status().message()).c_str());
    return kExitConfig;
  }
  if (outcome->command == nullptr) {
    std::fputs(outcome->text.c_str(), stdout);
    return kExitOk;
  }
  ConfigureLog(LogOptionsOf(outcome->command->log_level_,
                            outcome->command->log_format_));
  return std::nullopt;
}

}  // namespace tandem
