#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/options.h"

namespace tandem {
namespace {

absl::Status Not(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is not ", what));
}

template <class T>
absl::Status ParseWhole(absl::string_view text, absl::string_view what,
                        T* value) {
  return absl::SimpleAtoi(text, value) ? absl::OkStatus() : Not(text, what);
}

}  // namespace

absl::Status ParseOption(absl::string_view text, std::string* value) {
  *value = std::string(text);
  return absl::OkStatus();
}

absl::Status ParseOption(absl::string_view text, int* value) {
  return ParseWhole(text, "a whole number of 32 bits", value);
}

absl::Status ParseOption(absl::string_view text, int64_t* value) {
  return ParseWhole(text, "a whole number", value);
}

absl::Status ParseOption(absl::string_view text, uint64_t* value) {
  return ParseWhole(text, "a whole number >= 0", value);
}

absl::Status ParseOption(absl::string_view text, double* value) {
  if (absl::SimpleAtod(text, value) && std::isfinite(*value))
    return absl::OkStatus();
  return Not(text, "a number");
}

absl::Status ParseOption(absl::string_view text, bool* value) {
  *value = text == "on" || text == "true" || text == "1";
  if (*value || text == "off" || text == "false" || text == "0")
    return absl::OkStatus();
  return Not(text, "on or off");
}

absl::Status ParseOption(absl::string_view text, absl::Duration* value) {
  if (absl::ParseDuration(text, value) && *value >= absl::ZeroDuration() &&
      *value < absl::InfiniteDuration()) {
    return absl::OkStatus();
  }
  return Not(text, "a duration (250ms, 5s, 2m)");
}

absl::Status ParseOption(absl::string_view text, HostPort* value) {
  absl::StatusOr<HostPort> parsed = ParseHostPort(text);
  if (parsed.ok()) *value = *std::move(parsed);
  return parsed.status();
}

std::string ShowOption(const std::string& value) { return value; }
std::string ShowOption(int64_t value) { return absl::StrCat(value); }
std::string ShowOption(uint64_t value) { return absl::StrCat(value); }
std::string ShowOption(double value) { return absl::StrCat(value); }
std::string ShowOption(bool value) { return value ? "on" : "off"; }
std::string ShowOption(absl::Duration value) {
  return absl::FormatDuration(value);
}
std::string ShowOption(const HostPort& value) {
  return value.host.empty() ? "" : value.ToString();
}

}  // namespace tandem
