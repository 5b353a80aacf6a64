#include "gateway/playground.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace tandem {
namespace {

constexpr char kPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

HttpResponse ResponseOf(const PlaygroundFile& file, bool packed) {
  HttpResponse response;
  response.content_type = std::string(file.content_type);
  response.body = std::string(packed ? file.packed : file.bytes);
  response.headers = {{"cache-control", "no-cache"},
                      {"content-security-policy", kPolicy},
                      {"cross-origin-opener-policy", "same-origin"},
                      {"referrer-policy", "no-referrer"},
                      {"vary", "accept-encoding"},
                      {"x-content-type-options", "nosniff"}};
  if (packed) response.headers.emplace_back("content-encoding", "gzip");
  return response;
}

}  // namespace

absl::optional<HttpResponse> PlaygroundPage(absl::string_view path,
                                            absl::string_view accept_encoding) {
  absl::string_view name = "index.html";
  if (path != "/") {
    if (!absl::ConsumePrefix(&path, "/playground/")) return absl::nullopt;
    name = path;
  }
  for (const PlaygroundFile& file : PlaygroundFiles()) {
    if (file.name != name) continue;
    return ResponseOf(file, absl::StrContains(accept_encoding, "gzip"));
  }
  return absl::nullopt;
}

}  // namespace tandem
