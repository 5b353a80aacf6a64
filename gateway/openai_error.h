#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/http_server.h"

namespace tandem {

// How the OpenAI-compatible API tells a failure: the HTTP status that goes with
// the status' code and reason (400, 401, 403, 404, 413, 429, 499, 500, 501,
// 503, 504), and an error object
//
//   {"error": {"message", "type", "param", "code"}}
//
// whose `param` is the field that the status names, else null.
int OpenAiHttpStatus(const absl::Status& status);
std::string OpenAiErrorJson(const absl::Status& status);

// The whole answer: with x-request-id, and where clients may try again with the
// delay (retry-after-ms, retry-after), and `x-should-retry: false` where that
// cannot help.
HttpResponse OpenAiErrorResponse(const absl::Status& status,
                                 const std::string& request_id);

// For what HTTP itself refuses: a path (404), a method (405), a content type
// (415), a body or header that could not be read (400, 413, 429, 431).
HttpResponse OpenAiRefusal(int http_status, const std::string& message,
                           const std::string& request_id);

}  // namespace tandem
