#include "cli/chat_client.h"

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/grpc_limits.h"
#include "common/status_macros.h"
#include "common/utf8.h"

namespace tandem {
namespace {

absl::Status CheckText(const std::string& field, const std::string& text) {
  const absl::Status status = CheckUtf8(text);
  return status.ok() ? status : FieldError(field, status.message());
}

}  // namespace

absl::Status CheckChatRequest(const v1::ChatRequest& request) {
  TANDEM_RETURN_IF_ERROR(CheckText("model", request.model()));
  for (int i = 0; i < request.messages_size(); ++i) {
    const v1::ChatMessage& message = request.messages(i);
    for (int j = 0; j < message.content_size(); ++j) {
      TANDEM_RETURN_IF_ERROR(
          CheckText(absl::StrCat("messages[", i, "].content[", j, "].text"),
                    message.content(j).text()));
    }
  }
  const size_t bytes = request.ByteSizeLong();
  if (bytes <= kMaxMessageBytes) return absl::OkStatus();
  return FieldError(
      "messages",
      absl::StrCat("the conversation and its pictures take ", bytes,
                   " bytes; a request may have ", kMaxMessageBytes));
}

}  // namespace tandem
