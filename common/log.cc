#include "common/log.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace tandem {
namespace {

struct Logger {
  LogFormat format = LogFormat::kText;
  std::shared_ptr<spdlog::logger> spdlog;
};

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// The line is made here; spdlog gives the lock, the level and the sink.
std::shared_ptr<const Logger> MakeLogger(const LogOptions& options) {
  spdlog::sink_ptr sink;
  if (options.stream != nullptr) {
    sink =
        std::make_shared<spdlog::sinks::ostream_sink_mt>(*options.stream,
                                                         /*force_flush=*/true);
  } else {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  }
  auto logger = std::make_shared<Logger>();
  logger->format = options.format;
  logger->spdlog = std::make_shared<spdlog::logger>("tandem", std::move(sink));
  logger->spdlog->set_level(ToSpdlog(options.level));
  logger->spdlog->set_pattern("%v");
  logger->spdlog->flush_on(spdlog::level::debug);
  return logger;
}

// Never destroyed: threads may log while the process ends.
std::shared_ptr<const Logger>& Current() {
  static auto& logger = *new std::shared_ptr<const Logger>(MakeLogger({}));
  return logger;
}

std::string TimeText() {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                          absl::UTCTimeZone());
}

// Bare where one word can be told from the next, else a JSON string, so that a
// value can neither break the line nor forge a field.
std::string TextValue(absl::string_view value) {
  bool bare = !value.empty();
  for (const unsigned char c : value) {
    bare = bare && c > ' ' && c < 0x7F && c != '"' && c != '=' && c != '\\';
  }
  if (bare) return std::string(value);
  return nlohmann::json(std::string(value))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string TextValue(const LogField::Value& value) {
  struct Visitor {
    std::string operator()(absl::string_view v) const { return TextValue(v); }
    std::string operator()(const std::string& v) const {
      return TextValue(absl::string_view(v));
    }
    std::string operator()(int64_t v) const { return absl::StrCat(v); }
    std::string operator()(double v) const {
      return absl::StrFormat("%.6g", v);
    }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
  };
  return std::visit(Visitor(), value);
}

std::string TextLine(LogLevel level, absl::string_view message,
                     LogFields fields) {
  static constexpr const char* kNames[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
  std::string line = absl::StrCat(
      TimeText(), " ", kNames[static_cast<int>(level)], " ", message);
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.key, "=", TextValue(field.value));
  }
  return line;
}

std::string JsonLine(LogLevel level, absl::string_view message,
                     LogFields fields) {
  static constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
  nlohmann::ordered_json line = {{"time", TimeText()},
                                 {"level", kNames[static_cast<int>(level)]},
                                 {"message", std::string(message)}};
  for (const LogField& field : fields) {
    nlohmann::ordered_json& slot = line[std::string(field.key)];
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>,
                                       absl::string_view>) {
            slot = std::string(value);
          } else {
            slot = value;
          }
        },
        field.value);
  }
  return line.dump(-1, ' ', false,
                   nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

void ConfigureLog(const LogOptions& options) {
  std::atomic_store(&Current(), MakeLogger(options));
}

void Log(LogLevel level, absl::string_view message, LogFields fields) {
  const std::shared_ptr<const Logger> logger = std::atomic_load(&Current());
  if (!logger->spdlog->should_log(ToSpdlog(level))) return;
  const std::string line = logger->format == LogFormat::kJson
                               ? JsonLine(level, message, fields)
                               : TextLine(level, message, fields);
  logger->spdlog->log(ToSpdlog(level),
                      spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace tandem
