#pragma once

#include <string>

#include "common/model_config.h"

namespace tandem {

// The values of `config` that shape embeddings, a line each: what every
// fingerprint begins with.
std::string VisionConfigText(const ModelConfig& config);

}  // namespace tandem
