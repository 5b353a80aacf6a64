#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/safetensors.h"
#include "common/weight_source.h"

namespace tandem {

// The safetensors files of a model directory.
struct Shards {
  // What says which tensors there are: the only file, or the index.
  std::string listing;
  std::vector<SafetensorsFile> files;
};

// Opens model.safetensors or, where there is none, the files that
// model.safetensors.index.json names; for WeightSet::kVision only those with a
// vision tensor. An index must name plain files of the directory, and it and
// their headers must agree on every tensor.
//
// NOT_FOUND or INVALID_ARGUMENT, naming the file.
absl::StatusOr<Shards> OpenShards(const std::string& directory, WeightSet set);

}  // namespace tandem
