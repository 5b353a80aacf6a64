#pragma once

#include <string>
#include <vector>

#include "common/options.h"

namespace tandem {

// `tandem models`: what is in models' folders, and what serving them takes.
struct ModelsCommand {
  std::vector<std::string> directories;
  std::string dtype = "auto";
  bool plan = false;  // for cards, too
  bool json = false;
};

void AddModelsOptions(CommandLine& line, ModelsCommand* command);

// Prints one report for each folder. Returns the exit code: 0, or 78 where a
// folder is no complete model; the others are reported all the same.
int RunModels(const ModelsCommand& command);

}  // namespace tandem
