#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/dtype.h"
#include "common/model_config.h"

namespace tandem {

// What a model's folder holds and what serving it takes. Sizes in bytes.
struct ModelReport {
  // What one service loads.
  struct Service {
    int64_t parameters = 0;
    int64_t weight_bytes = 0;  // in `dtype`
  };

  std::string directory;
  ModelConfig config;
  DType dtype = DType::kBFloat16;  // of weights, arithmetic, KV, embeddings
  Service vision, llm;
  int64_t embedding_bytes_per_tile = 0;
  int64_t kv_bytes_per_token = 0;
  // Files with weights, and whether every tensor is there with its shape.
  int num_weight_files = 0;
  absl::Status weights;

  int64_t context_kv_bytes() const {
    return kv_bytes_per_token * config.text.max_positions;
  }
  // Weights of both services and the KV of one full context: the least that
  // `tandem serve` needs.
  int64_t total_bytes() const {
    return vision.weight_bytes + llm.weight_bytes + context_kv_bytes();
  }
};

// Reads config.json and the headers of the weight files. `dtype` is "auto",
// "float32" or "bfloat16". Fails where the configuration cannot be read; what
// is wrong with weights is told in the report.
absl::StatusOr<ModelReport> ReadModelReport(const std::string& directory,
                                            const std::string& dtype);

// For people: a paragraph with a table. `available_bytes` 0: not known.
std::string ReportAsText(const ModelReport& report, int64_t available_bytes);
// One JSON object on one line.
std::string ReportAsJson(const ModelReport& report, int64_t available_bytes);

}  // namespace tandem
