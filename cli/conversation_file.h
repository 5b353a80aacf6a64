#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tandem/v1/gateway.pb.h"

namespace tandem {

// What `/save` writes: one JSON object with `model` and `messages` as OpenAI's
// API has them. Pictures are data URLs, so that the file is whole by itself: it
// can be moved, posted to /v1/chat/completions as it is, and read again
// whatever has become of the pictures' files.
std::string ConversationFile(const v1::ChatRequest& request);

// The messages of such a file, or of any body that holds nothing but texts and
// pictures as data URLs. A question at its end, which nobody answered, is
// dropped. INVALID_ARGUMENT that says where it is wrong
// ("messages[1].content[0].image_url.url: ..."), for messages that are not the
// system's words at most once, then user and assistant in turn, too.
absl::StatusOr<std::vector<v1::ChatMessage>> ReadConversationFile(
    absl::string_view text);

}  // namespace tandem
