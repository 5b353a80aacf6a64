#include "cli/completion.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/prompt_line.h"
#include "cli/settings.h"
#include "cli/slash_commands.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

constexpr int kMostEntries = 10'000;

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// Where the word begins that ends with the line; a blank behind a backslash is
// part of it.
size_t LastWord(absl::string_view line) {
  size_t begin = line.size();
  while (begin > 0) {
    const bool escaped = begin > 1 && line[begin - 2] == '\\';
    if (IsBlank(line[begin - 1]) && !escaped) break;
    --begin;
  }
  return begin;
}

// What is longer than `typed` in all of `words`, and a blank behind the only
// one.
Completion Among(absl::string_view typed, const std::vector<std::string>& words,
                 absl::string_view after_only) {
  Completion found;
  for (const std::string& word : words) {
    if (absl::StartsWith(word, typed)) found.candidates.push_back(word);
  }
  if (found.candidates.empty()) return found;
  std::sort(found.candidates.begin(), found.candidates.end());
  const std::string& first = found.candidates.front();
  const std::string& last = found.candidates.back();
  const auto differ =
      std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first;
  found.insert = std::string(first.begin() + typed.size(), differ);
  if (found.candidates.size() == 1) absl::StrAppend(&found.insert, after_only);
  if (found.candidates.size() > Completion::kMost) {
    found.candidates.resize(Completion::kMost);
  }
  return found;
}

// Names in `folder` that begin with `typed`; folders with a "/" behind.
std::vector<std::string> NamesIn(const std::string& folder,
                                 absl::string_view typed) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder.empty() ? "." : folder, error);
  for (int i = 0; !error && entry != fs::end(entry) && i < kMostEntries; ++i) {
    std::string name = entry->path().filename();
    const bool hidden = absl::StartsWith(name, ".") && typed.empty();
    if (absl::StartsWith(name, typed) && !hidden) {
      std::error_code ignored;
      names.push_back(entry->is_directory(ignored) ? name + "/" : name);
    }
    entry.increment(error);
  }
  return names;
}

std::string Escaped(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (IsBlank(c) || c == '\\' || c == '"' || c == '\'') out += '\\';
    out += c;
  }
  return out;
}

// Cut back to whole characters: names may differ within one.
void CutToCharacters(std::string& text, absl::string_view next) {
  const auto continues = [](char c) { return (c & 0xC0) == 0x80; };
  if (next.empty() || !continues(next.front())) return;
  while (!text.empty() && continues(text.back())) text.pop_back();
  if (!text.empty()) text.pop_back();
}

Completion File(absl::string_view word) {
  const bool open_quote =
      absl::StartsWith(word, "\"") || absl::StartsWith(word, "'");
  const std::string path =
      open_quote ? std::string(word.substr(1)) : UnquotePath(word);
  const size_t slash = path.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "" : path.substr(0, slash + 1);
  const std::string typed = path.substr(folder.size());
  Completion found = Among(typed, NamesIn(folder, typed), "");
  if (found.candidates.empty()) return found;
  const std::string& first = found.candidates.front();
  CutToCharacters(found.insert,
                  absl::string_view(first).substr(std::min(
                      first.size(), typed.size() + found.insert.size())));
  if (!open_quote) found.insert = Escaped(found.insert);
  const bool whole_file =
      found.candidates.size() == 1 && !absl::EndsWith(first, "/");
  if (whole_file) found.insert += open_quote ? "" : " ";
  return found;
}

std::vector<std::string> CommandWords() {
  std::vector<std::string> words;
  for (const SlashWord& word : SlashWords()) words.emplace_back(word.word);
  return words;
}

bool TakesAFile(absl::string_view command) {
  for (const SlashWord& word : SlashWords()) {
    if (word.word == command) return word.argument == "FILE";
  }
  return false;
}

}  // namespace

Completion Complete(absl::string_view line) {
  const size_t begin = LastWord(line);
  absl::string_view word = line.substr(begin);
  if (begin == 0 && absl::StartsWith(word, "/")) {
    const Completion command = Among(word, CommandWords(), " ");
    return command.candidates.empty() ? File(word) : command;
  }
  const absl::string_view first = line.substr(0, line.find_first_of(" \t"));
  if (first == "/set") return Among(word, SettingNames(), " ");
  if (first == "/timings") return Among(word, {"on", "off"}, " ");
  if (absl::ConsumePrefix(&word, "@") || !word.empty() || TakesAFile(first)) {
    return File(word);
  }
  return {};
}

}  // namespace tandem
