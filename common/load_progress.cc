#include "common/load_progress.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tandem {
namespace {

constexpr int kBarWidth = 30;  // characters
constexpr absl::Duration kBarInterval = absl::Milliseconds(100);
constexpr absl::Duration kLineInterval = absl::Seconds(10);

struct Unit {
  absl::string_view name;
  double bytes;
};

Unit UnitOf(int64_t bytes) {
  return bytes < 1'000'000'000 ? Unit{"MB", 1e6} : Unit{"GB", 1e9};
}

}  // namespace

bool StderrIsTerminal() { return isatty(STDERR_FILENO) == 1; }

ProgressReporter::Options ProgressReporter::ToStderr() {
  Options options;
  options.terminal = StderrIsTerminal();
  const char* const end = options.terminal ? "" : "\n";
  options.write = [end](absl::string_view text) {
    const std::string line = absl::StrCat(text, end);
    std::fwrite(line.data(), 1, line.size(), stderr);
  };
  options.now = [] {
    return absl::FromChrono(
        std::chrono::steady_clock::now().time_since_epoch());
  };
  return options;
}

ProgressReporter::ProgressReporter(Options options)
    : options_(std::move(options)),
      began_(options_.now()),
      last_shown_(began_) {}

ProgressReporter::~ProgressReporter() {
  if (drawing_) options_.write("\n");
}

void ProgressReporter::Advance(int64_t bytes_done, int64_t bytes_total) {
  if (bytes_total <= 0) return;
  const absl::Duration now = options_.now();
  if (options_.terminal) {
    DrawBar(bytes_done, bytes_total, now);
  } else {
    WriteLine(bytes_done, bytes_total, now);
  }
}

void ProgressReporter::DrawBar(int64_t done, int64_t total,
                               absl::Duration now) {
  const bool finished = done >= total;
  if (finished_) return;
  if (!finished && drawing_ && now - last_shown_ < kBarInterval) return;
  const int filled = static_cast<int>(kBarWidth * done / total);
  options_.write(absl::StrCat("\r", options_.what, " [",
                              std::string(filled, '#'),
                              std::string(kBarWidth - filled, '.'), "] ",
                              Amounts(done, total, now), finished ? "\n" : ""));
  drawing_ = !finished;
  finished_ = finished;
  last_shown_ = now;
}

void ProgressReporter::WriteLine(int64_t done, int64_t total,
                                 absl::Duration now) {
  const int64_t tenths = 10 * done / total;
  const bool late = now - last_shown_ >= kLineInterval && done < total;
  if (tenths <= tenths_shown_ && !late) return;
  options_.write(absl::StrCat(options_.what, ": ", Amounts(done, total, now)));
  tenths_shown_ = tenths;
  last_shown_ = now;
}

std::string ProgressReporter::Amounts(int64_t done, int64_t total,
                                      absl::Duration now) const {
  const double seconds = absl::ToDoubleSeconds(now - began_);
  const Unit unit = UnitOf(total);
  const double speed = seconds > 0 ? done / unit.bytes / seconds : 0;
  return absl::StrFormat("%3d %%, %.1f of %.1f %s, %.1f %s/s",
                         100 * done / total, done / unit.bytes,
                         total / unit.bytes, unit.name, speed, unit.name);
}

}  // namespace tandem
