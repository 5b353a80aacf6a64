#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cli/chat_client.h"
#include "common/host_port.h"

namespace tandem {

// A request; HTTP/1.1, on a connection of its own.
struct HttpCall {
  std::string method = "GET";
  std::string target;  // "/v1/models"
  CallHeaders headers = {};
  std::string body = {};  // JSON, where not empty
  absl::Duration timeout = absl::Seconds(10);
  uint64_t max_body_bytes = 64 << 20;  // of the answer
};

// What comes before an answer's body.
struct HttpHead {
  int status = 0;
  std::string content_type;  // without parameters, in lower case
  // From retry-after-ms or retry-after in seconds; zero where none is given.
  absl::Duration retry_delay;
};

// Calls of one server, one after another. Cancel may come from any thread, the
// rest from one, which does all of the work and blocks.
class HttpClient {
 public:
  explicit HttpClient(HostPort server);
  ~HttpClient();

  // Sends the call and hands the answer's body to `on_body` as it comes, whole
  // or in parts. Waits 10 s at most for the connection and `timeout` for
  // everything together; only a look-up of the server's name can take longer,
  // as long as the system's resolver does.
  //
  // UNAVAILABLE BACKEND_UNAVAILABLE where nobody listens and PEER_LOST where
  // the connection broke or was closed before the answer's end;
  // DEADLINE_EXCEEDED; CANCELLED after Cancel; INTERNAL for what is no HTTP or
  // above max_body_bytes; else what `on_body` returned, which ends it.
  using OnBody =
      std::function<absl::Status(const HttpHead&, absl::string_view)>;
  absl::StatusOr<HttpHead> Send(const HttpCall& call, const OnBody& on_body)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the Send that runs now; without one it has no effect.
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Connection;
  void SetRunning(Connection* connection) ABSL_LOCKS_EXCLUDED(mutex_);

  const HostPort server_;
  absl::Mutex mutex_;
  Connection* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace tandem
