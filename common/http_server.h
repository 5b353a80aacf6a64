#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
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

  // The first one of this name (in lower case); empty if there is none.
  absl::string_view Header(absl::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// A request on its way to its answer: either Respond, or Begin, any number of
// Write, and End. All of it from any thread, one call after the other, and
// without effect once the client is gone. An exchange that goes away without an
// answer is answered with 500.
class HttpExchange {
 public:
  struct Events {
    // The piece of a Write is with the operating system.
    std::function<void()> on_written;
    // The client closed the connection, or did not take a piece in time, before
    // the answer was complete.
    std::function<void()> on_gone;
  };
  explicit HttpExchange(HttpRequest request) : request_(std::move(request)) {}
  virtual ~HttpExchange() = default;

  // While the handler runs, which may move from it; what it needs later it must
  // take.
  HttpRequest& request() { return request_; }

  // Events come on the server's threads, one at a time; none after the answer
  // is complete or on_gone. They are let go of then.
  virtual void Watch(Events events) = 0;
  // Calls `act` once after `delay`, as an event; replaces the last one. Not
  // called once the answer is complete.
  virtual void SetTimer(absl::Duration delay, std::function<void()> act) = 0;

  virtual void Respond(HttpResponse response) = 0;

  // The head of a streamed answer; its body is not looked at. It goes out with
  // the first piece.
  virtual void Begin(HttpResponse head) = 0;
  // One piece, sent as one chunk by itself, behind those that are not out yet;
  // not empty. on_written comes once for each: who waits for it bounds what is
  // kept here.
  virtual void Write(std::string piece) = 0;
  // The answer is complete; may come while a piece is being written.
  virtual void End() = 0;

 private:
  HttpRequest request_;
};

// An HTTP/1.1 server: answers may take their time and may be streamed; a client
// that leaves is noticed. A HEAD is handled as a GET whose body stays unsent.
// Connections over the bound are answered 429 unheard and closed, over twice
// the bound closed at once, as are clients that send headers or bodies slowly,
// too large ones or nothing at all.
class HttpServer {
 public:
  struct Options {
    HostPort listen;
    int num_threads = 1;
    // Handle requests with large bodies (over 64 KiB); 0: the threads above do.
    int num_workers = 0;
    int max_connections = 1024;
    absl::Duration idle_timeout = absl::Seconds(60);
    absl::Duration header_timeout = absl::Seconds(10);
    // For a body: this long, and longer by what comes at the slowest rate.
    absl::Duration body_timeout = absl::Seconds(10);
    int64_t min_body_bytes_per_second = 32 * 1024;
    // For a client to take a piece of an answer.
    absl::Duration write_timeout = absl::Seconds(30);
    uint32_t max_header_bytes = 16 * 1024;
    uint64_t max_body_bytes = 0;
    // Of all requests that are being read or handled.
    int64_t max_buffered_bytes = int64_t{256} << 20;
    // What a client is told whose request could not be read: 400, 408, 413, 429
    // or 431, and why. 429 is also for a connection over the bound. Null: plain
    // text.
    std::function<HttpResponse(int status, absl::string_view why)> refusal =
        nullptr;
  };
  // Called on a thread of the server's; must not wait.
  using Handler = std::function<void(std::shared_ptr<HttpExchange>)>;
  // Computes its answer at once.
  using SimpleHandler = std::function<HttpResponse(const HttpRequest&)>;

  // Binds and serves. FAILED_PRECONDITION when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const Options& options, Handler handler);
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const Options& options, SimpleHandler handler);
  // Closes every connection (on_gone is called for what is in flight) and
  // joins. Exchanges may outlive the server.
  ~HttpServer();

  // Takes no new connections, closes idle ones, and waits until no exchange is
  // in flight, for at most `grace`, or until `hurry` is notified.
  void Drain(absl::Duration grace, const absl::Notification& hurry);

  // Where it listens, with the port that was picked.
  const HostPort& address() const;
  int num_connections() const;
  // Requests that are handled and not answered to the end.
  int num_exchanges() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem
