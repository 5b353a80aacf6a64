#include "cli/sse_parser.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tandem {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

absl::StatusOr<std::vector<std::string>> SseParser::Feed(
    absl::string_view bytes) {
  std::vector<std::string> events;
  for (const char c : bytes) {
    const bool ends_crlf = std::exchange(after_cr_, c == '\r') && c == '\n';
    if (ends_crlf) continue;
    if (c == '\r' || c == '\n') {
      EndLine(events);
      continue;
    }
    line_ += c;
    if (line_.size() + data_.size() > kMaxEventBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "an event of the stream has more than ", kMaxEventBytes, " bytes"));
    }
  }
  return events;
}

void SseParser::EndLine(std::vector<std::string>& events) {
  const std::string line = std::exchange(line_, {});
  absl::string_view text = line;
  if (std::exchange(at_start_, false)) {
    absl::ConsumePrefix(&text, kByteOrderMark);
  }
  if (!text.empty()) return OnField(text);
  if (std::exchange(has_data_, false)) {
    events.push_back(std::exchange(data_, {}));
  }
}

void SseParser::OnField(absl::string_view line) {
  const size_t colon = line.find(':');
  if (line.substr(0, colon) != "data") return;  // ":" begins a comment
  absl::string_view value;
  if (colon != absl::string_view::npos) value = line.substr(colon + 1);
  absl::ConsumePrefix(&value, " ");
  if (has_data_) data_ += '\n';
  data_.append(value.data(), value.size());
  has_data_ = true;
}

}  // namespace tandem
