#include "common/option_arguments.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

using Strings = std::vector<std::string>;

// CLI11 splits "[a,b]" where it may take values without end, so there is one.
constexpr int kMostValues = 1000;

void AddTo(CLI::App& app, const ArgumentSpec& spec, bool lists_take_many) {
  const std::string name =
      absl::StrCat("--", spec.name, spec.name == "help" ? ",-h" : "");
  if (spec.kind == OptionKind::kFlag) {
    app.add_flag(name);
    return;
  }
  CLI::Option* option =
      app.add_option(name, [](const CLI::results_t&) { return true; });
  const bool many = spec.kind == OptionKind::kList && lists_take_many;
  option->type_size(1)->expected(1, many ? kMostValues : 1);
  option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

absl::Status UnknownOption(const std::string& argument,
                           const std::vector<ArgumentSpec>& specs) {
  if (!absl::StartsWith(argument, "-")) {
    return absl::InvalidArgumentError(
        absl::StrCat("unexpected argument \"", argument, "\""));
  }
  const std::string option = argument.substr(0, argument.find('='));
  Strings names;
  for (const ArgumentSpec& spec : specs) {
    if (spec.kind != OptionKind::kPositional) names.push_back(spec.name);
  }
  const size_t begin = std::min(option.find_first_not_of('-'), option.size());
  return absl::InvalidArgumentError(
      absl::StrCat("unknown option ", option,
                   DidYouMean(option.substr(begin), names, "--")));
}

// Levenshtein's distance.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

absl::StatusOr<GivenArguments> Results(const CLI::App& app,
                                       const std::vector<ArgumentSpec>& specs) {
  GivenArguments given;
  for (const ArgumentSpec& spec : specs) {
    if (spec.kind == OptionKind::kPositional) continue;
    const CLI::Option& option = *app.get_option(absl::StrCat("--", spec.name));
    if (option.count() == 0) continue;
    if (option.count() > 1 && spec.kind == OptionKind::kValue) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", spec.name, " is given twice"));
    }
    given[spec.name] = option.results();
  }
  return given;
}

}  // namespace

absl::StatusOr<GivenArguments> SplitArguments(
    const std::vector<ArgumentSpec>& specs, const Strings& arguments) {
  // What follows "--" is positional whatever it looks like.
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  const auto positional =
      std::find_if(specs.begin(), specs.end(), [](const ArgumentSpec& spec) {
        return spec.kind == OptionKind::kPositional;
      });
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  for (const ArgumentSpec& spec : specs) {
    if (spec.kind != OptionKind::kPositional)
      AddTo(app, spec, positional == specs.end());
  }
  try {
    app.parse(Strings(std::make_reverse_iterator(dashes), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  Strings bare;
  for (const std::string& argument : app.remaining()) {
    if (absl::StartsWith(argument, "-")) return UnknownOption(argument, specs);
    bare.push_back(argument);
  }
  if (dashes != arguments.end())
    bare.insert(bare.end(), dashes + 1, arguments.end());
  if (!bare.empty() && positional == specs.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("unexpected argument \"", bare.front(), "\""));
  }
  TANDEM_ASSIGN_OR_RETURN(GivenArguments given, Results(app, specs));
  if (!bare.empty()) given[positional->name] = std::move(bare);
  return given;
}

std::string DidYouMean(const std::string& wrong, const Strings& names,
                       const std::string& dashes) {
  size_t best = wrong.size() / 3 + 2;  // farther than this is no guess
  std::string guess;
  for (const std::string& name : names) {
    const size_t distance = EditDistance(wrong, name);
    if (distance >= best) continue;
    best = distance;
    guess = absl::StrCat(" (did you mean ", dashes, name, "?)");
  }
  return guess;
}

}  // namespace tandem
