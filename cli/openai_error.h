#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"

namespace tandem {

// The `error` object of an OpenAI-compatible server as the status that gRPC
// would have given: its code from `http_status`, or inside of a stream, where
// that is 0, from the error's `type`; its reason from `code`; its field from
// `param`, where the url of a picture is the picture
// ("messages[0].content[1].image").
absl::Status FromOpenAiError(const nlohmann::json& error, int http_status);

// The same for the body of an answer that is not 2xx. A body that holds no
// error object, a proxy's page, is not quoted: the message is the status line.
// With a `retry_delay` above zero 429 and 503 carry it.
absl::Status FromHttpError(absl::string_view body, int http_status,
                           absl::Duration retry_delay);

}  // namespace tandem
