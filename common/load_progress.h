#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/weight_source.h"

namespace tandem {

// True where standard error is a terminal, so that a bar can redraw itself.
bool StderrIsTerminal();

// Shows how far loading is: on a terminal one bar that redraws itself, at most
// ten times a second; elsewhere a line for every tenth and for every ten
// seconds without one. Not thread-safe.
class ProgressReporter final : public LoadProgress {
 public:
  struct Options {
    std::string what = "loading weights";
    bool terminal = false;
    // Takes a line (without its end) or, on a terminal, what to draw.
    std::function<void(absl::string_view)> write;
    // Time since any fixed moment, never running backwards.
    std::function<absl::Duration()> now;
  };
  // Writes to standard error, by the steady clock.
  static Options ToStderr();

  explicit ProgressReporter(Options options);
  // Ends the line of a bar that did not get to its end.
  ~ProgressReporter() override;

  void Advance(int64_t bytes_done, int64_t bytes_total) override;

 private:
  void DrawBar(int64_t done, int64_t total, absl::Duration now);
  void WriteLine(int64_t done, int64_t total, absl::Duration now);
  std::string Amounts(int64_t done, int64_t total, absl::Duration now) const;

  const Options options_;
  const absl::Duration began_;
  absl::Duration last_shown_;
  int64_t tenths_shown_ = 0;
  bool drawing_ = false;   // the bar's line has no end yet
  bool finished_ = false;  // the bar is full
};

}  // namespace tandem
