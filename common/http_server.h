#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/host_port.h"

namespace tandem {

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // "/metrics", without the query
  std::string query;   // after "?", not decoded
  std::vector<std::pair<std::string, std::string>>
      headers;  // names in lower case
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// An HTTP/1.1 server on one thread, for small answers: a handler computes its
// answer at once and must not wait. A HEAD is handled as a GET whose body stays
// unsent. Connections over the bound and clients that send headers slowly, too
// large ones or nothing at all are closed.
class HttpServer {
 public:
  struct Options {
    HostPort listen;
    int max_connections = 1024;
    absl::Duration idle_timeout = absl::Seconds(60);
    absl::Duration header_timeout = absl::Seconds(10);
    // From the end of the header to the end of the body, and for an answer.
    absl::Duration body_timeout = absl::Seconds(30);
    uint32_t max_header_bytes = 16 * 1024;
    uint64_t max_body_bytes = 0;
  };
  // Called on the server's thread.
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Binds and serves. FAILED_PRECONDITION when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const Options& options, Handler handler);
  // Closes every connection and joins.
  ~HttpServer();

  // Where it listens, with the port that was picked.
  const HostPort& address() const;
  int num_connections() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem
