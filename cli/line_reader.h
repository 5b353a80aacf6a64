#pragma once

#include <istream>
#include <string>

namespace tandem {

// What a person did at a prompt.
struct TypedLine {
  enum class Kind {
    kLine,         // `text`, without its end
    kInterrupted,  // Ctrl-C; `text` is what had been typed, and is dropped
    kEnd,          // Ctrl-D, or the end of input
  };
  Kind kind = Kind::kEnd;
  std::string text = {};
};

// Where the lines of a conversation come from.
class LineReader {
 public:
  virtual ~LineReader() = default;
  // Waits for the next line.
  virtual TypedLine Read() = 0;
};

// Lines as they come, without a prompt: pipes and files.
class StreamLineReader final : public LineReader {
 public:
  explicit StreamLineReader(std::istream& in) : in_(in) {}
  TypedLine Read() override {
    TypedLine line;
    if (std::getline(in_, line.text)) line.kind = TypedLine::Kind::kLine;
    return line;
  }

 private:
  std::istream& in_;
};

}  // namespace tandem
