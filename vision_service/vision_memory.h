#pragma once

#include <cstdint>

#include "common/dtype.h"
#include "common/model_config.h"

namespace tandem {

// What a vision service takes of its device, in bytes.
struct VisionMemory {
  int64_t weights = 0;
  int64_t tile = 0;  // what the tile in work computes with

  int64_t total() const { return weights + tile; }
};

VisionMemory VisionMemoryOf(const ModelConfig& config, DType dtype);

}  // namespace tandem
