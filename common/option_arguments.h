#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tandem {

enum class OptionKind {
  kValue,       // --name VALUE
  kFlag,        // --name
  kList,        // --name VALUE, any number of times
  kPositional,  // VALUE...
};

// What the command line says, before anything is converted: the values of each
// option that is given, by name ("true" for a flag).
using GivenArguments = std::map<std::string, std::vector<std::string>>;

// The heading in --help of what every program has.
inline constexpr char kCommonGroup[] = "Every program";

struct ArgumentSpec {
  std::string name;
  OptionKind kind;
};

// INVALID_ARGUMENT with one line for an unknown option (and what was perhaps
// meant), a missing value, a stray argument, a value given twice.
absl::StatusOr<GivenArguments> SplitArguments(
    const std::vector<ArgumentSpec>& specs,
    const std::vector<std::string>& arguments);

// " (did you mean --max-tiles?)" for a name close to `wrong`, else "".
std::string DidYouMean(const std::string& wrong,
                       const std::vector<std::string>& names,
                       const std::string& dashes);

}  // namespace tandem
