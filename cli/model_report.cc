#include "cli/model_report.h"

#include "common/model_options.h"
#include "common/model_tensors.h"
#include "common/shards.h"
#include "common/status_macros.h"
#include "common/weight_source.h"

namespace tandem {
namespace {

ModelReport::Service ServiceOf(const ModelConfig& config, WeightSet set,
                               DType dtype) {
  ModelReport::Service service;
  for (const ModelTensor& tensor : ModelTensors(config, set)) {
    service.parameters += tensor.num_values();
  }
  service.weight_bytes =
      service.parameters * static_cast<int64_t>(ElementSize(dtype));
  return service;
}

absl::Status CheckWeights(ModelReport& report) {
  TANDEM_ASSIGN_OR_RETURN(const Shards shards,
                          OpenShards(report.directory, WeightSet::kAll));
  report.num_weight_files = static_cast<int>(shards.files.size());
  return OpenCheckpoint(report.directory, report.config).status();
}

}  // namespace

absl::StatusOr<ModelReport> ReadModelReport(const std::string& directory,
                                            const std::string& dtype) {
  ModelReport report;
  report.directory = directory;
  TANDEM_ASSIGN_OR_RETURN(report.config, ReadModelConfig(directory));
  TANDEM_ASSIGN_OR_RETURN(report.dtype, ChooseDType(dtype, report.config));
  const TextConfig& text = report.config.text;
  const auto element = static_cast<int64_t>(ElementSize(report.dtype));
  report.vision = ServiceOf(report.config, WeightSet::kVision, report.dtype);
  report.llm = ServiceOf(report.config, WeightSet::kLanguage, report.dtype);
  report.embedding_bytes_per_tile =
      element * report.config.tokens_per_tile() * text.hidden_size;
  report.kv_bytes_per_token =
      element * 2 * text.num_layers * text.num_kv_heads * text.head_dim;
  report.weights = CheckWeights(report);
  return report;
}

}  // namespace tandem
