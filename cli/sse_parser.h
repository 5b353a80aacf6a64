#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tandem {

// Server-sent events out of bytes that may be cut anywhere: lines end with LF,
// CR or CRLF, a byte order mark at the start and comments are passed over, the
// `data` lines of an event are joined by line feeds. Fields but `data` have no
// meaning here, and an event without `data` is none. An event that the stream
// ends in is dropped, as the standard says; `inside_event` tells. A value: one
// object a stream, not thread-safe.
// Source: HTML Living Standard, "Server-sent events", 9.2.5 and 9.2.6.
class SseParser {
 public:
  // Most bytes of one line and of one event's data.
  static constexpr size_t kMaxEventBytes = 1 << 20;

  // The data of each event that `bytes` complete, in order. INVALID_ARGUMENT
  // for an event above the bound; the parser is of no use then.
  absl::StatusOr<std::vector<std::string>> Feed(absl::string_view bytes);

  // Data has come that no blank line has ended.
  bool inside_event() const { return has_data_ || !line_.empty(); }

 private:
  void EndLine(std::vector<std::string>& events);
  void OnField(absl::string_view line);

  std::string line_, data_;
  bool has_data_ = false;
  bool after_cr_ = false;  // a line feed now belongs to the last line's end
  bool at_start_ = true;   // a byte order mark may stand here
};

}  // namespace tandem
