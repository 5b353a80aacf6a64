#include "common/http_wire.h"

#include "absl/strings/str_cat.h"
#include "boost/beast/http/status.hpp"

namespace tandem {
namespace {

void AppendHeader(absl::string_view name, absl::string_view value,
                  std::string& out) {
  absl::StrAppend(&out, name, ": ");
  for (const char c : value) {
    if (c != '\r' && c != '\n' && c != '\0') out.push_back(c);
  }
  absl::StrAppend(&out, "\r\n");
}

absl::string_view Reason(int status) {
  const auto reason = boost::beast::http::obsolete_reason(
      static_cast<boost::beast::http::status>(status));
  return {reason.data(), reason.size()};
}

}  // namespace

std::string HttpHead(const HttpResponse& response, const HttpFraming& framing,
                     bool has_length) {
  std::string head =
      absl::StrCat("HTTP/1.", framing.minor_version, " ", response.status, " ",
                   Reason(response.status), "\r\n");
  AppendHeader("Content-Type", response.content_type, head);
  for (const auto& [name, value] : response.headers) {
    AppendHeader(name, value, head);
  }
  if (has_length) {
    AppendHeader("Content-Length", absl::StrCat(response.body.size()), head);
  }
  if (framing.chunked) AppendHeader("Transfer-Encoding", "chunked", head);
  if (!framing.keep_alive) {
    AppendHeader("Connection", "close", head);
  } else if (framing.minor_version == 0) {
    AppendHeader("Connection", "keep-alive", head);
  }
  absl::StrAppend(&head, "\r\n");
  return head;
}

std::string HttpChunk(absl::string_view piece) {
  return absl::StrCat(absl::Hex(piece.size()), "\r\n", piece, "\r\n");
}

}  // namespace tandem
