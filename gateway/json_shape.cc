#include "gateway/json_shape.h"

#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool EndsScalar(char c) {
  return IsSpace(c) ||
         absl::string_view("{}[]:,\"\\").find(c) != absl::string_view::npos;
}

class ShapeScan {
 public:
  ShapeScan(absl::string_view body, const JsonBounds& bounds)
      : body_(body), bounds_(bounds) {}

  absl::Status Run() {
    TANDEM_RETURN_IF_ERROR(Start());
    do {
      if (++tokens_ > bounds_.max_tokens) {
        return NotJson(absl::StrCat("it has over ", bounds_.max_tokens,
                                    " values and signs"));
      }
      TANDEM_RETURN_IF_ERROR(Token());
      SkipSpace();
    } while (!open_.empty() && at_ < body_.size());
    if (!open_.empty()) {
      return NotJson(absl::StrCat("it ends within ", open_.size(),
                                  " open objects and lists"));
    }
    if (at_ < body_.size()) return Wrong("after its end");
    return absl::OkStatus();
  }

 private:
  absl::Status Start() {
    if (absl::StartsWith(body_, "\xEF\xBB\xBF")) {
      return NotJson("it begins with a byte order mark");
    }
    SkipSpace();
    if (at_ == body_.size()) return NotJson("it is empty");
    if (body_[at_] != '{') return Wrong("where '{' belongs");
    return absl::OkStatus();
  }

  void SkipSpace() {
    while (at_ < body_.size() && IsSpace(body_[at_])) ++at_;
  }

  absl::Status Wrong(absl::string_view where) const {
    return NotJson(absl::StrFormat("byte 0x%02X at %d is %s",
                                   static_cast<unsigned char>(body_[at_]), at_,
                                   where));
  }

  absl::Status Token() {
    switch (body_[at_]) {
      case '{':
      case '[':
        return Open();
      case '}':
      case ']':
        return Close();
      case ':':
      case ',':
        ++at_;
        return absl::OkStatus();
      case '"':
        return String();
      case '\\':
        return Wrong("outside of a string");
      default:
        while (at_ < body_.size() && !EndsScalar(body_[at_])) ++at_;
        return absl::OkStatus();
    }
  }

  absl::Status Open() {
    if (static_cast<int>(open_.size()) == bounds_.max_depth) {
      return NotJson(absl::StrCat("objects and lists are in each other ",
                                  bounds_.max_depth + 1, " deep; at most ",
                                  bounds_.max_depth));
    }
    open_.push_back(body_[at_++]);
    return absl::OkStatus();
  }

  absl::Status Close() {
    if (open_.back() != (body_[at_] == '}' ? '{' : '[')) {
      return Wrong("where another bracket is open");
    }
    open_.pop_back();
    ++at_;
    return absl::OkStatus();
  }

  absl::Status String() {
    const size_t start = at_++;
    while (const void* found =
               memchr(body_.data() + at_, '"', body_.size() - at_)) {
      const size_t quote = static_cast<const char*>(found) - body_.data();
      size_t first = quote;
      while (body_[first - 1] == '\\') --first;
      at_ = quote + 1;
      if ((quote - first) % 2 == 0) return absl::OkStatus();
    }
    return NotJson(absl::StrCat("the string at byte ", start, " does not end"));
  }

  const absl::string_view body_;
  const JsonBounds& bounds_;
  size_t at_ = 0;
  size_t tokens_ = 0;
  std::string open_;  // the brackets, outermost first
};

}  // namespace

absl::Status CheckJsonShape(absl::string_view body, const JsonBounds& bounds) {
  return ShapeScan(body, bounds).Run();
}

absl::Status NotJson(absl::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason::kFieldInvalid,
                   absl::StrCat("the body is not one JSON object: ", why));
}

}  // namespace tandem
