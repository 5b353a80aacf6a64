#include "cli/prompt_line.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tandem {
namespace {

constexpr absl::string_view kPictureSuffixes[] = {".png", ".jpg", ".jpeg",
                                                  ".webp", ".bmp"};
constexpr absl::string_view kPunctuation = ".,;:!?)";
constexpr absl::string_view kSentenceEnds = ".:!?";

// A word as it stands in the line, and as a file's name.
struct Word {
  size_t begin = 0, end = 0;  // in the line
  std::string name;           // without "@", quotes and backslashes
  bool at = false, escaped = false, quoted = false;
};

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

bool IsUrl(absl::string_view text) { return absl::StrContains(text, "://"); }

bool HasPictureSuffix(absl::string_view name) {
  const std::string lower = absl::AsciiStrToLower(name);
  return std::any_of(std::begin(kPictureSuffixes), std::end(kPictureSuffixes),
                     [&](absl::string_view suffix) {
                       return lower.size() > suffix.size() &&
                              absl::EndsWith(lower, suffix);
                     });
}

absl::string_view WithoutPunctuation(absl::string_view name) {
  while (!name.empty() && absl::StrContains(kPunctuation, name.back())) {
    name.remove_suffix(1);
  }
  return name;
}

// What stands between the quote at `i` and its partner at a word's end; false
// without one, as in "it's".
bool ReadQuoted(absl::string_view line, size_t i, Word& word) {
  const size_t close = line.find(line[i], i + 1);
  if (close == absl::string_view::npos) return false;
  const absl::string_view behind = line.substr(close + 1, 1);
  if (!behind.empty() && !IsBlank(behind[0]) &&
      !absl::StrContains(kPunctuation, behind)) {
    return false;
  }
  word.name = std::string(line.substr(i + 1, close - i - 1));
  word.end = close + 1;
  word.quoted = true;
  return true;
}

void ReadBare(absl::string_view line, size_t i, Word& word) {
  for (; i < line.size() && !IsBlank(line[i]); ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) ++i;
    word.name += line[i];
  }
  word.end = i;
}

// The word at `begin`, which is no blank.
Word ReadWord(absl::string_view line, size_t begin) {
  Word word;
  word.begin = begin;
  size_t i = begin;
  word.escaped = line[i] == '\\';
  word.at = line[i] == '@';
  if (word.at) ++i;
  const bool quote = i < line.size() && (line[i] == '"' || line[i] == '\'');
  if (!quote || !ReadQuoted(line, i, word)) ReadBare(line, i, word);
  return word;
}

std::string Home(absl::string_view path) {
  const char* home = std::getenv("HOME");
  if (home == nullptr || !absl::StartsWith(path, "~/")) {
    return std::string(path);
  }
  return absl::StrCat(home, path.substr(1));
}

// Shortens the word to the picture that it names; false where it is text.
bool TakePicture(const FileExists& file_exists, Word& word) {
  if (word.escaped || word.name.empty() || (!word.at && IsUrl(word.name))) {
    return false;
  }
  const std::string bare(WithoutPunctuation(word.name));
  const std::string name = Home(word.name);
  const bool whole =
      word.quoted || bare.empty() || bare == word.name || file_exists(name);
  if (!whole) word.end -= word.name.size() - bare.size();
  const bool has_suffix = HasPictureSuffix(word.quoted ? word.name : bare);
  word.name = whole ? name : Home(bare);
  return word.at || has_suffix;
}

std::string BaseName(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

bool EndsSentence(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  return text.empty() || absl::StrContains(kSentenceEnds, text.back());
}

// The line piece by piece: what is text, and where pictures were.
class Splitter {
 public:
  void AddText(absl::string_view text) {
    if (!names_.empty() && IsAtStart()) {
      while (!text.empty() && absl::StrContains(kPunctuation, text[0])) {
        text.remove_prefix(1);  // "cat.png: what is it?"
      }
    }
    FlushNames();
    line_.text.append(text.data(), text.size());
  }
  void AddBlank(char c) {
    if (names_.empty()) line_.text += c;
  }
  void AddPicture(std::string path) {
    // Behind whole sentences only, it may be the end of the line.
    if (EndsSentence(line_.text)) {
      names_ += absl::StrCat(BaseName(path), " ");
    } else {
      line_.text += BaseName(path);
    }
    line_.images.push_back(std::move(path));
  }
  PromptLine End() && {
    if (!line_.images.empty()) {
      line_.text = std::string(absl::StripAsciiWhitespace(line_.text));
    }
    return std::move(line_);
  }

 private:
  void FlushNames() {
    // At the start of the line names are no part of a sentence.
    if (!IsAtStart()) line_.text += names_;
    names_.clear();
  }
  bool IsAtStart() const {
    return absl::StripAsciiWhitespace(line_.text).empty();
  }

  PromptLine line_;
  std::string names_;  // of pictures that no text has followed yet
};

}  // namespace

PromptLine ParsePromptLine(absl::string_view line,
                           const FileExists& file_exists) {
  Splitter splitter;
  for (size_t i = 0; i < line.size();) {
    if (IsBlank(line[i])) {
      splitter.AddBlank(line[i++]);
      continue;
    }
    Word word = ReadWord(line, i);
    if (TakePicture(file_exists, word)) {
      splitter.AddPicture(std::move(word.name));
    } else {
      const absl::string_view typed =
          line.substr(word.begin, word.end - word.begin);
      const bool is_picture =
          word.escaped && (typed.substr(1, 1) == "@" ||
                           HasPictureSuffix(WithoutPunctuation(typed)));
      splitter.AddText(is_picture ? typed.substr(1) : typed);
    }
    i = word.end;
  }
  return std::move(splitter).End();
}

bool BeginsWithPicture(absl::string_view line) {
  if (line.empty() || IsBlank(line.front())) return false;
  Word word = ReadWord(line, 0);
  return TakePicture([](const std::string&) { return false; }, word);
}

std::string UnquotePath(absl::string_view path) {
  path = absl::StripAsciiWhitespace(path);
  if (path.empty()) return "";
  Word word;
  const bool quoted = (path.front() == '"' || path.front() == '\'') &&
                      path.find(path.front(), 1) == path.size() - 1 &&
                      ReadQuoted(path, 0, word);
  if (quoted) return Home(word.name);
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\' && i + 1 < path.size()) ++i;
    word.name += path[i];
  }
  return Home(word.name);
}

}  // namespace tandem
