#pragma once

#include <string>

#include "nlohmann/json_fwd.hpp"
#include "tandem/v1/gateway.pb.h"

namespace tandem {

// `messages` as OpenAI's API has them: a text alone is a string, else the parts
// in order; pictures are data URLs, their kind told by their own first bytes.
// Detail HIGH and max_tiles go along as `detail` and `max_tiles` (ours).
nlohmann::ordered_json MessagesAsJson(const v1::ChatRequest& request);

// The body of POST /v1/chat/completions for a streamed answer with usage.
std::string ChatBody(const v1::ChatRequest& request);

}  // namespace tandem
