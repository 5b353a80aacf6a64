#include "tests/bench/http_streams/sse_reader.h"

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace tandem {

void SseReader::Take(absl::string_view bytes, const OnEvent& on_event) {
  buffer_.append(bytes.data(), bytes.size());
  if (status_ == 0 && !TakeHead()) return;
  if (!chunked_) {
    done_ = buffer_.size() >= content_length_;
    return;
  }
  while (!done_ && TakeChunk()) {
  }
  TellEvents(on_event);
}

bool SseReader::TakeHead() {
  const size_t end = buffer_.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  head_ = absl::AsciiStrToLower(buffer_.substr(0, end + 2));
  buffer_.erase(0, end + 4);
  status_ = std::atoi(head_.c_str() + sizeof("HTTP/1.1"));
  chunked_ =
      head_.find("\r\ntransfer-encoding: chunked\r\n") != std::string::npos;
  static constexpr absl::string_view kLength = "\r\ncontent-length: ";
  const size_t length = head_.find(kLength.data(), 0, kLength.size());
  if (length != std::string::npos) {
    content_length_ = std::strtoul(head_.c_str() + length + kLength.size(),
                                   nullptr, /*base=*/10);
  }
  return true;
}

bool SseReader::TakeChunk() {
  const size_t line = buffer_.find("\r\n");
  if (line == std::string::npos) return false;
  const size_t size = std::strtoul(buffer_.c_str(), nullptr, /*base=*/16);
  const size_t begin = line + 2;
  if (buffer_.size() < begin + size + 2) return false;
  body_.append(buffer_, begin, size);
  buffer_.erase(0, begin + size + 2);
  done_ = size == 0;
  return true;
}

void SseReader::TellEvents(const OnEvent& on_event) {
  size_t begin = 0;
  for (size_t end = body_.find("\n\n"); end != std::string::npos;
       end = body_.find("\n\n", begin)) {
    absl::string_view event(body_.data() + begin, end - begin);
    if (absl::ConsumePrefix(&event, "data: ")) on_event(event);
    begin = end + 2;
  }
  body_.erase(0, begin);
}

}  // namespace tandem
