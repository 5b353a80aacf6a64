#pragma once

#include "tandem/v1/gateway.pb.h"

namespace tandem {

// Adds a chunk of a stream to the whole answer.
void CollectChunk(v1::ChatChunk chunk, v1::ChatResponse& whole);

}  // namespace tandem
