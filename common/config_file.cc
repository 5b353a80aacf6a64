#include "common/config_file.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

// A cursor over the text, with one function per rule of the grammar.
class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<ConfigEntry>> Parse() {
    std::vector<ConfigEntry> entries;
    for (SkipToContent(); !AtEnd(); SkipToContent()) {
      TANDEM_ASSIGN_OR_RETURN(ConfigEntry entry, ParseEntry());
      for (const ConfigEntry& earlier : entries) {
        if (earlier.key == entry.key) {
          return ErrorAt(entry.line, absl::StrCat("key ", entry.key,
                                                  " was already set in line ",
                                                  earlier.line));
        }
      }
      entries.push_back(std::move(entry));
    }
    return entries;
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[at_]; }
  char Next() {
    if (Peek() == '\n') ++line_;
    return text_[at_++];
  }
  static absl::Status ErrorAt(int line, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
  }
  absl::Status Error(absl::string_view what) const {
    return ErrorAt(line_, what);
  }

  void SkipBlanks() {
    while (Peek() == ' ' || Peek() == '\t' || Peek() == '\r') Next();
  }
  void SkipComment() {
    if (Peek() != '#') return;
    while (!AtEnd() && Peek() != '\n') Next();
  }
  void SkipToContent() {
    for (SkipBlanks(), SkipComment(); Peek() == '\n';
         SkipBlanks(), SkipComment())
      Next();
  }

  absl::StatusOr<ConfigEntry> ParseEntry() {
    ConfigEntry entry;
    entry.line = line_;
    if (Peek() == '[')
      return Error("tables are not used here; write KEY = VALUE");
    while (absl::ascii_isalnum(Peek()) || Peek() == '-' || Peek() == '_')
      entry.key += Next();
    SkipBlanks();
    if (entry.key.empty() || Peek() != '=')
      return Error("expected KEY = VALUE");
    Next();
    SkipBlanks();
    if (Peek() == '[') {
      TANDEM_ASSIGN_OR_RETURN(entry.values, ParseArray());
    } else {
      TANDEM_ASSIGN_OR_RETURN(std::string value, ParseValue());
      entry.values.push_back(std::move(value));
    }
    SkipBlanks();
    SkipComment();
    if (!AtEnd() && Peek() != '\n')
      return Error("unexpected text after the value");
    return entry;
  }

  absl::StatusOr<std::vector<std::string>> ParseArray() {
    const int opened = line_;
    std::vector<std::string> values;
    Next();
    for (SkipToContent(); Peek() != ']'; SkipToContent()) {
      if (AtEnd()) return ErrorAt(opened, "the array is not closed");
      TANDEM_ASSIGN_OR_RETURN(std::string value, ParseValue());
      values.push_back(std::move(value));
      SkipToContent();
      if (Peek() == ',') {
        Next();
      } else if (Peek() != ']') {
        return Error("expected , or ] in the array");
      }
    }
    Next();
    return values;
  }

  absl::StatusOr<std::string> ParseValue() {
    if (Peek() == '"' || Peek() == '\'') return ParseString();
    std::string word;
    while (absl::ascii_isalnum(Peek()) ||
           (!AtEnd() && absl::StrContains("+-._", Peek()))) {
      word += Next();
    }
    if (word == "true" || word == "false") return word;
    const std::string number = absl::StrReplaceAll(word, {{"_", ""}});
    double value;
    if (absl::SimpleAtod(number, &value)) return number;
    return Error(word.empty()
                     ? "expected a value"
                     : absl::StrCat(word, " is no value; put text in quotes"));
  }

  absl::StatusOr<std::string> ParseString() {
    const char quote = Next();
    std::string raw;
    while (!AtEnd() && Peek() != '\n' && Peek() != quote) {
      if (quote == '"' && Peek() == '\\') raw += Next();
      if (!AtEnd() && Peek() != '\n') raw += Next();
    }
    if (Peek() != quote) return Error("the string is not closed");
    Next();
    if (quote == '\'') return raw;
    std::string value, why;
    if (!absl::CUnescape(raw, &value, &why)) return Error(why);
    return value;
  }

  const absl::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

absl::StatusOr<std::vector<ConfigEntry>> ParseConfig(absl::string_view text) {
  return Parser(text).Parse();
}

}  // namespace tandem
