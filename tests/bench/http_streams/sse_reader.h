#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace tandem {

// Reads one HTTP/1.1 answer after the other from the bytes of a connection: a
// chunked one as server-sent events, another one by its content-length.
class SseReader {
 public:
  // The data of one event.
  using OnEvent = std::function<void(absl::string_view data)>;

  // Takes what came and reads on, to the end of the answer at most.
  void Take(absl::string_view bytes, const OnEvent& on_event);
  // Forgets the answer, for the next one on the connection.
  void Reset() { *this = {}; }

  int status() const { return status_; }  // 0 until the head is here
  bool done() const { return done_; }
  // In lower case.
  const std::string& head() const { return head_; }

 private:
  bool TakeHead();
  // Moves a chunk from the buffer to the body; false where it is not whole.
  bool TakeChunk();
  void TellEvents(const OnEvent& on_event);

  std::string buffer_;  // not looked at yet
  std::string head_;
  std::string body_;  // without the events that were told
  int status_ = 0;
  bool chunked_ = false;
  size_t content_length_ = 0;
  bool done_ = false;
};

}  // namespace tandem
