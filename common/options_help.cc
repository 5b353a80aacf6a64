#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/options.h"
#include "common/version.h"

namespace tandem {
namespace {

constexpr size_t kHelpColumn = 30;
constexpr size_t kWidth = 100;

// `head` and, from kHelpColumn on, `help` broken into lines.
std::string Entry(absl::string_view head, absl::string_view help) {
  std::string out = absl::StrCat("  ", head);
  size_t column = out.size();
  if (column + 2 > kHelpColumn) {
    out += '\n';
    column = 0;
  }
  out.append(kHelpColumn - column, ' ');
  column = kHelpColumn;
  for (const absl::string_view word :
       absl::StrSplit(help, ' ', absl::SkipEmpty())) {
    if (column > kHelpColumn && column + 1 + word.size() > kWidth) {
      absl::StrAppend(&out, "\n", std::string(kHelpColumn, ' '));
      column = kHelpColumn;
    }
    if (column > kHelpColumn) out += ' ', ++column;
    absl::StrAppend(&out, word);
    column += word.size();
  }
  return out + "\n";
}

}  // namespace

std::string CommandLine::Help() const {
  std::string out = absl::StrCat(name_, ": ", summary_, "\n\nUsage: ", name_);
  if (!commands_.empty()) {
    absl::StrAppend(&out, " COMMAND [OPTION]...\n\nCommands:\n");
    for (const auto& command : commands_)
      out += Entry(command->word_, command->summary_);
    absl::StrAppend(&out, "\n`", name_, " COMMAND --help` explains one.\n");
  } else {
    absl::StrAppend(&out, " [OPTION]...", PositionalUsage(), "\n",
                    OptionHelp());
    absl::StrAppend(
        &out,
        "\nEach option may also be an environment variable (--log-level: "
        "TANDEM_LOG_LEVEL) or a key of the\nfile given by --config "
        "(log-level = \"info\"). The command line wins over the "
        "environment,\nthe "
        "environment over the file.\n");
  }
  if (!examples_.empty()) {
    absl::StrAppend(&out, "\nExamples:\n  ", absl::StrJoin(examples_, "\n  "),
                    "\n");
  }
  return out;
}

std::string CommandLine::PositionalUsage() const {
  for (const auto& option : options_) {
    if (option->kind_ != OptionKind::kPositional) continue;
    return option->required_ ? absl::StrCat(" ", option->usage_, "...")
                             : absl::StrCat(" [", option->usage_, "]...");
  }
  return "";
}

std::string CommandLine::OptionHelp() const {
  std::string own, common, group;
  for (const auto& option : options_) {
    std::string head = absl::StrCat("--", option->name_, " ", option->usage_);
    if (option->kind_ == OptionKind::kPositional) head = option->usage_;
    if (option->kind_ == OptionKind::kFlag)
      head = absl::StrCat("--", option->name_);
    if (option->kind_ == OptionKind::kList) head += "...";
    std::string help = option->help_;
    if (option->required_) help += " Required.";
    if (!option->default_.empty())
      absl::StrAppend(&help, " [", option->default_, "]");
    std::string& out = option->group_ == kCommonGroup ? common : own;
    if (option->group_ != group)
      absl::StrAppend(&out, "\n", option->group_, ":\n");
    group = option->group_;
    out += Entry(head, help);
  }
  return own + common;
}

}  // namespace tandem
