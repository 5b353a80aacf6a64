#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>
#include <type_traits>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tandem {

// One event, one line on standard error. As text
//
//   2026-01-31T12:00:00.123Z INFO  image stored request_id=r-1 tiles=13
//
// or, with `--log-format json`, as an object with `time`, `level`, `message`
// and the fields. The message is a constant; whatever varies is a field.
// Prompts, answers, image bytes and keys are never logged. Thread-safe.
//
//   LogInfo("image stored", {{kLogRequestId, id}, {"tiles", 13}});
enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// The field that ties the lines of one request together, in all processes.
inline constexpr char kLogRequestId[] = "request_id";
// The one that ties them to those of other systems; common/trace_context.h.
inline constexpr char kLogTraceId[] = "trace_id";

// A key in snake_case, unit included, and its value; lives as long as the
// expression that made it.
class LogField {
 public:
  using Value =
      std::variant<absl::string_view, int64_t, double, bool, std::string>;

  LogField(absl::string_view key, absl::string_view value)
      : key(key), value(value) {}
  LogField(absl::string_view key, const char* value)
      : key(key), value(absl::string_view(value)) {}
  LogField(absl::string_view key, const std::string& value)
      : key(key), value(absl::string_view(value)) {}
  LogField(absl::string_view key, bool value) : key(key), value(value) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  LogField(absl::string_view key, T value)
      : key(key), value(static_cast<int64_t>(value)) {}
  LogField(absl::string_view key, double value) : key(key), value(value) {}
  // In seconds.
  LogField(absl::string_view key, absl::Duration value)
      : key(key), value(absl::ToDoubleSeconds(value)) {}
  // "OK", or the code and the message.
  LogField(absl::string_view key, const absl::Status& value)
      : key(key),
        value(value.ToString(absl::StatusToStringMode::kWithNoExtraData)) {}

  absl::string_view key;
  Value value;
};

using LogFields = std::initializer_list<LogField>;

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  // Borrowed; null is standard error. Tests give a string stream.
  std::ostream* stream = nullptr;
};

// For the whole process; CommandLine::Start calls it. Before: text, info.
void ConfigureLog(const LogOptions& options);

void Log(LogLevel level, absl::string_view message, LogFields fields);

inline void LogDebug(absl::string_view message, LogFields fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}
inline void LogInfo(absl::string_view message, LogFields fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarning(absl::string_view message, LogFields fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogError(absl::string_view message, LogFields fields = {}) {
  Log(LogLevel::kError, message, fields);
}

}  // namespace tandem
