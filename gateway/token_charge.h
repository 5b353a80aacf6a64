#pragma once

#include <cstdint>

#include "tandem/v1/gateway.pb.h"

namespace tandem {

// About how many tokens the request's prompt has, for a budget, where the llm
// service has not told: those of its images, which are known, and one for every
// four bytes of text.
int64_t EstimatePromptTokens(const v1::ChatRequest& request,
                             int64_t image_tokens);

}  // namespace tandem
