#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tandem {

// A line that a person typed, taken apart.
struct PromptLine {
  std::string text;                 // for the model
  std::vector<std::string> images;  // files, in the order they were named
};

// Finds the pictures of a line. A word is one where it begins with "@", or ends
// with .png, .jpg, .jpeg, .webp or .bmp and is no URL: as a terminal writes it
// when a file is dropped on it. Blanks in a name take quotes ("my cat.png",
// @'my cat.png') or backslashes (my\ cat.png); "~/" is the home folder. The
// punctuation of a sentence behind a name is no part of it, unless
// `file_exists` says so. A backslash in front makes a word text (\@home,
// \cat.png).
//
// Pictures go in front of the text, where models were taught to expect them.
// Their names leave the text at its start, and at its end behind the end of a
// sentence; within a sentence the file's name stays, for it says which picture
// is meant. A line without pictures stays as it was typed, but for those
// backslashes.
using FileExists = std::function<bool(const std::string& path)>;
PromptLine ParsePromptLine(absl::string_view line,
                           const FileExists& file_exists);

// Whether the line begins with a word that names a picture, so that its "/" is
// no command's.
bool BeginsWithPicture(absl::string_view line);

// `path` with a leading "~/" replaced by $HOME, quotes taken off and
// backslashes followed: what /image, /save and /load are given.
std::string UnquotePath(absl::string_view path);

}  // namespace tandem
