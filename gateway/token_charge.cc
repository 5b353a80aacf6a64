#include "gateway/token_charge.h"

namespace tandem {

int64_t EstimatePromptTokens(const v1::ChatRequest& request,
                             int64_t image_tokens) {
  constexpr size_t kBytesPerToken = 4;
  size_t bytes = request.prompt().size();
  for (const v1::ChatMessage& message : request.messages()) {
    for (const v1::ContentPart& part : message.content()) {
      bytes += part.text().size();
    }
  }
  return image_tokens +
         static_cast<int64_t>((bytes + kBytesPerToken - 1) / kBytesPerToken);
}

}  // namespace tandem
