#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/safetensors.h"
#include "vision_service/rgb_image.h"

namespace tandem {

// The picture of the golden files' `width` x `height` cases: channel values
// from a formula, see tests/reference/common.py.
RgbImage SyntheticImage(int width, int height);

// Some rows of a stage's output as the reference computed them.
struct GoldenStage {
  std::vector<int64_t> rows;
  int64_t size = 0;           // values per row
  std::vector<float> values;  // [rows.size(), size]
};

// The stage `name` of a tests/data/goldens/*_one_tile.safetensors file.
absl::StatusOr<GoldenStage> ReadGoldenStage(const SafetensorsFile& file,
                                            absl::string_view name);

}  // namespace tandem
