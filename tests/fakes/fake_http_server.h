#pragma once

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/host_port.h"

namespace tandem {

// An HTTP server that says, byte for byte, what it was told to: one script a
// connection, in order. A connection without a script is closed at once.
class FakeHttpServer {
 public:
  // What happens on a connection when its request has been read.
  struct Script {
    std::vector<std::string> writes = {};  // one after another, each on its own
    // Afterwards it waits until the client has gone; else it closes.
    bool hang = false;
    // It answers before it has read the request's body, and closes.
    bool impatient = false;
  };
  FakeHttpServer();
  ~FakeHttpServer();  // waits for connections that hang: end them first

  void Expect(Script script) ABSL_LOCKS_EXCLUDED(mutex_);
  HostPort address() const { return {.host = "127.0.0.1", .port = port_}; }
  // Header and body of every request, as they came.
  std::vector<std::string> requests() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Loop();
  void Serve(int client);
  bool Next(Script& script) ABSL_LOCKS_EXCLUDED(mutex_);

  int listener_ = -1, port_ = 0;
  absl::Mutex mutex_;
  std::deque<Script> scripts_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// "HTTP/1.1 200 OK" with a body of known length.
std::string HttpAnswer(const std::string& status, const std::string& type,
                       const std::string& body,
                       const std::string& more_headers = "");
// The head of an answer whose body comes in chunks, and one of them.
std::string ChunkedHead(const std::string& type);
std::string HttpChunk(const std::string& data);  // of "" it is the last

}  // namespace tandem
