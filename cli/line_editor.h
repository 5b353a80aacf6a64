#pragma once

#include <memory>
#include <string>

#include "cli/line_reader.h"

namespace tandem {

// Lines typed at the terminal that is standard input and output: they can be
// edited (Emacs' keys, or what ~/.editrc binds), Tab completes (Complete), the
// arrow up brings back the last 1000 lines of this program's run; nothing is
// written to a file. Text is UTF-8 whatever the locale. Ctrl-C is a key while a
// line is typed, so that no signal comes of it; the terminal is as it was
// whenever Read returns. One at a time, used from one thread.
class LineEditor final : public LineReader {
 public:
  explicit LineEditor(std::string prompt);
  ~LineEditor() override;

  TypedLine Read() override;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tandem
