#include "cli/models_command.h"

#include <cstdio>

#include "cli/card_plan.h"
#include "cli/error_line.h"
#include "cli/model_report.h"
#include "common/host_memory.h"
#include "common/process.h"

namespace tandem {
namespace {

// False where the folder is no complete model.
bool ReportOne(const std::string& directory, const ModelsCommand& command,
               int64_t available_bytes) {
  const absl::StatusOr<ModelReport> report =
      ReadModelReport(directory, command.dtype);
  if (!report.ok()) {
    PrintError("tandem models", report.status());
    return false;
  }
  std::string text = command.json
                         ? ReportAsJson(*report, available_bytes) + "\n"
                         : ReportAsText(*report, available_bytes);
  if (command.plan) {
    const absl::StatusOr<CardPlan> plan = PlanCards(*report);
    if (!plan.ok()) {
      PrintError("tandem models", plan.status());
      return false;
    }
    text += command.json ? PlanAsJson(*plan) + "\n" : PlanAsText(*plan);
  }
  std::fputs(text.c_str(), stdout);
  if (report->weights.ok()) return true;
  PrintError("tandem models", report->weights);
  return false;
}

}  // namespace

int RunModels(const ModelsCommand& command) {
  const int64_t available_bytes = AvailableHostMemory();
  bool all_complete = true;
  for (const std::string& directory : command.directories) {
    all_complete =
        ReportOne(directory, command, available_bytes) && all_complete;
  }
  return all_complete ? kExitOk : kExitConfig;
}

void AddModelsOptions(CommandLine& line, ModelsCommand* command) {
  line.AddPositional("DIR", &command->directories,
                     "Folders of InternVL3 models.")
      .Required();
  line.Add("dtype", "auto|float32|bfloat16", &command->dtype,
           "What the weights would be served in; auto is what they are stored "
           "in.");
  line.AddFlag("plan", &command->plan,
               "Also what each service takes of a card, and what fits on the "
               "cards of this machine.");
  line.AddFlag("json", &command->json,
               "One JSON object a line, a folder each; with --plan another "
               "after it.");
  line.Example("tandem models models/demo/weights");
}

}  // namespace tandem
