#pragma once

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/http_server.h"

namespace tandem {

// A file of gateway/playground/, compiled in.
struct PlaygroundFile {
  absl::string_view name;  // "main.js"
  absl::string_view content_type;
  absl::string_view bytes;
  absl::string_view packed;  // the same by gzip
};

// All of them; the page itself is index.html.
absl::Span<const PlaygroundFile> PlaygroundFiles();

// The page that a person opens in a browser to ask about pictures: the answer
// to a GET or HEAD of "/" and "/playground/NAME"; nothing where `path` is none
// of these. It asks no other host for anything, and its policy lets no script
// run but its own. Packed where `accept_encoding`, the request's header, names
// gzip. Thread-safe.
absl::optional<HttpResponse> PlaygroundPage(absl::string_view path,
                                            absl::string_view accept_encoding);

}  // namespace tandem
