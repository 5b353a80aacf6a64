#include "llm_service/answer_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "common/utf8.h"

namespace tandem {
namespace {

// Moves all that is decided from the front of `bytes` to `text`: characters,
// and U+FFFD for what can never be one.
void DecodeFront(std::string& bytes, std::string& text) {
  absl::string_view rest = bytes;
  while (!rest.empty()) {
    const Utf8Unit unit = ReadUtf8(rest);
    if (unit.kind == Utf8Kind::kIncomplete) break;
    if (unit.kind == Utf8Kind::kCharacter) {
      text.append(rest.data(), unit.length);
    } else {
      text.append(kReplacementCharacter.data(), kReplacementCharacter.size());
    }
    rest.remove_prefix(unit.length);
  }
  bytes.erase(0, bytes.size() - rest.size());
}

// Length of the longest end of `text` with which `stop` begins, but not all of
// `stop`.
size_t LengthOfBegunStop(absl::string_view text, absl::string_view stop) {
  for (size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n) {
    if (absl::EndsWith(text, stop.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

AnswerText::AnswerText(const Tokenizer& tokenizer,
                       std::vector<std::string> stop)
    : tokenizer_(tokenizer), stop_(std::move(stop)) {}

std::string AnswerText::Add(int token_id, bool may_stop) {
  if (stopped_ || tokenizer_.IsSkipped(token_id)) return "";
  const absl::string_view bytes = tokenizer_.TokenBytes(token_id);
  bytes_.append(bytes.data(), bytes.size());
  DecodeFront(bytes_, held_);
  if (!may_stop) return std::exchange(held_, "");
  if (CutAtStop()) return std::exchange(held_, "");
  return TakeCertain();
}

std::string AnswerText::Finish() {
  if (!bytes_.empty()) {
    // One character begun is one U+FFFD, however many bytes of it there are.
    held_.append(kReplacementCharacter.data(), kReplacementCharacter.size());
    bytes_.clear();
    CutAtStop();
  }
  return std::exchange(held_, "");
}

bool AnswerText::CutAtStop() {
  size_t first_end = std::string::npos, start = std::string::npos;
  for (const std::string& stop : stop_) {
    const size_t found = held_.find(stop);
    if (found == std::string::npos) continue;
    const size_t end = found + stop.size();
    if (end < first_end || (end == first_end && found < start)) {
      first_end = end;
      start = found;
    }
  }
  if (start == std::string::npos) return false;
  held_.resize(start);
  bytes_.clear();
  stopped_ = true;
  return true;
}

std::string AnswerText::TakeCertain() {
  size_t uncertain = 0;
  for (const std::string& stop : stop_) {
    uncertain = std::max(uncertain, LengthOfBegunStop(held_, stop));
  }
  const size_t certain = held_.size() - uncertain;
  std::string text = held_.substr(0, certain);
  held_.erase(0, certain);
  return text;
}

}  // namespace tandem
