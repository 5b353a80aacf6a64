#pragma once

#include <string>

#include "cli/chat_client.h"

namespace tandem {

// What `tandem chat --json` prints: one object on one line, with `text`,
// `token_ids`, `finish_reason` ("stop" or "length"), `usage` and `timings_ms`,
// whose fields are those of the protos.
std::string AnswerAsJson(const ChatAnswer& answer);

}  // namespace tandem
