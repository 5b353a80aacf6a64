#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/weight_source.h"

namespace tandem {

// How far loading is.
struct LoadAmount {
  int64_t bytes_done = 0;
  int64_t bytes_total = 0;
  absl::Duration elapsed;
};

// Shows how far loading is: on a terminal one bar that redraws itself, at most
// ten times a second; elsewhere a log line for every tenth, but at most one a
// second, and for every ten seconds without one. The end is always shown. Not
// thread-safe.
class LoadReporter final : public LoadProgress {
 public:
  struct Options {
    std::string what;  // is loaded: "vision tower"
    bool terminal = false;
    // Where the bar is drawn, and who gets the lines instead.
    std::function<void(absl::string_view)> draw;
    std::function<void(const LoadAmount&)> log;
    // Time since any fixed moment, never running backwards.
    std::function<absl::Duration()> now;
  };

  explicit LoadReporter(Options options);
  // Draws on standard error where that is a terminal, else logs; by the
  // steady clock.
  explicit LoadReporter(absl::string_view what);
  // Ends the line of a bar that did not get to its end.
  ~LoadReporter() override;

  void Advance(int64_t bytes_done, int64_t bytes_total) override;

 private:
  void DrawBar(const LoadAmount& amount);
  void LogLine(const LoadAmount& amount);

  const Options options_;
  const absl::Duration began_;
  absl::Duration last_shown_;  // since began_
  int64_t tenths_shown_ = 0;
  bool drawing_ = false;   // the bar's line has no end yet
  bool finished_ = false;  // the end was shown
};

}  // namespace tandem
