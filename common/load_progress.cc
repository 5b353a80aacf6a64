#include "common/load_progress.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/clock.h"
#include "common/log.h"

namespace tandem {
namespace {

constexpr int kBarWidth = 30;  // characters
constexpr absl::Duration kBarInterval = absl::Milliseconds(100);
constexpr absl::Duration kTenthInterval = absl::Seconds(1);
constexpr absl::Duration kLineInterval = absl::Seconds(10);

struct Unit {
  absl::string_view name;
  double bytes;
};

Unit UnitOf(int64_t bytes) {
  return bytes < 1'000'000'000 ? Unit{"MB", 1e6} : Unit{"GB", 1e9};
}

std::string AmountText(const LoadAmount& amount) {
  const Unit unit = UnitOf(amount.bytes_total);
  const double seconds = absl::ToDoubleSeconds(amount.elapsed);
  const double done = amount.bytes_done / unit.bytes;
  return absl::StrFormat("%3d %%, %.1f of %.1f %s, %.1f %s/s",
                         100 * amount.bytes_done / amount.bytes_total, done,
                         amount.bytes_total / unit.bytes, unit.name,
                         seconds > 0 ? done / seconds : 0.0, unit.name);
}

LoadReporter::Options OptionsForStderr(absl::string_view what) {
  LoadReporter::Options options;
  options.what = std::string(what);
  options.terminal = isatty(STDERR_FILENO) == 1;
  options.draw = [](absl::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
  };
  options.log = [what = options.what](const LoadAmount& amount) {
    LogInfo("loading",
            {{"what", what},
             {"percent", 100 * amount.bytes_done / amount.bytes_total},
             {"bytes_done", amount.bytes_done},
             {"bytes_total", amount.bytes_total},
             {"elapsed_seconds", amount.elapsed}});
  };
  options.now = [clock = std::make_shared<RealClock>()] {
    return clock->Monotonic();
  };
  return options;
}

}  // namespace

LoadReporter::LoadReporter(Options options)
    : options_(std::move(options)), began_(options_.now()) {}

LoadReporter::LoadReporter(absl::string_view what)
    : LoadReporter(OptionsForStderr(what)) {}

LoadReporter::~LoadReporter() {
  if (drawing_) options_.draw("\n");
}

void LoadReporter::Advance(int64_t bytes_done, int64_t bytes_total) {
  if (bytes_total <= 0) return;
  const LoadAmount amount = {bytes_done, bytes_total, options_.now() - began_};
  if (options_.terminal) {
    DrawBar(amount);
  } else {
    LogLine(amount);
  }
}

void LoadReporter::DrawBar(const LoadAmount& amount) {
  const bool full = amount.bytes_done >= amount.bytes_total;
  const bool soon = drawing_ && amount.elapsed - last_shown_ < kBarInterval;
  if (finished_ || (soon && !full)) return;
  const auto filled =
      static_cast<int>(kBarWidth * amount.bytes_done / amount.bytes_total);
  options_.draw(absl::StrCat("\r", options_.what, " [",
                             std::string(filled, '#'),
                             std::string(kBarWidth - filled, '.'), "] ",
                             AmountText(amount), full ? "\n" : ""));
  drawing_ = !full;
  finished_ = full;
  last_shown_ = amount.elapsed;
}

void LoadReporter::LogLine(const LoadAmount& amount) {
  const int64_t tenths = 10 * amount.bytes_done / amount.bytes_total;
  const bool full = amount.bytes_done >= amount.bytes_total;
  const absl::Duration wait =
      tenths > tenths_shown_ ? kTenthInterval : kLineInterval;
  const bool soon = amount.elapsed - last_shown_ < wait;
  if (finished_ || (soon && !full)) return;
  options_.log(amount);
  tenths_shown_ = tenths;
  finished_ = full;
  last_shown_ = amount.elapsed;
}

}  // namespace tandem
