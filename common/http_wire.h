#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "common/http_server.h"

namespace tandem {

// How an answer looks on the wire (RFC 9112).
struct HttpFraming {
  int minor_version = 1;   // of the request: HTTP/1.x
  bool keep_alive = true;  // the connection goes on after the answer
  bool head_only = false;  // the request was a HEAD
  bool chunked = false;    // a streamed answer to HTTP/1.1
};

// Status line and headers, up to the empty line. Without `chunked` and with
// `has_length` the length of response.body is told. Characters that would end a
// header line are left out of header values.
std::string HttpHead(const HttpResponse& response, const HttpFraming& framing,
                     bool has_length);

// One chunk around `piece`, and what ends a chunked answer.
std::string HttpChunk(absl::string_view piece);
inline constexpr absl::string_view kHttpLastChunk = "0\r\n\r\n";

}  // namespace tandem
