#include "cli/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/stored_file.h"

namespace tandem {
namespace {

absl::Status WriteAll(int descriptor, absl::string_view text,
                      const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0) return absl::ErrnoToStatus(errno, path);
    text.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         int64_t max_bytes) {
  TANDEM_ASSIGN_OR_RETURN(const StoredFile file, StoredFile::Open(path));
  if (file.size() > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the file has ", file.size(), " bytes; at most ",
                     max_bytes, " are read"));
  }
  std::string text(static_cast<size_t>(file.size()), '\0');
  TANDEM_RETURN_IF_ERROR(file.Read(0, text.size(), text.data()));
  return text;
}

absl::Status WriteTextFile(const std::string& path, absl::string_view text,
                           bool may_replace) {
  const std::string target = may_replace ? absl::StrCat(path, ".part") : path;
  const int descriptor =
      open(target.c_str(),
           O_WRONLY | O_CREAT | O_CLOEXEC | (may_replace ? O_TRUNC : O_EXCL),
           S_IRUSR | S_IWUSR);
  if (descriptor < 0 && errno == EEXIST) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, ": there is such a file already"));
  }
  if (descriptor < 0) return absl::ErrnoToStatus(errno, path);
  absl::Status status = WriteAll(descriptor, text, path);
  if (close(descriptor) != 0) status.Update(absl::ErrnoToStatus(errno, path));
  if (status.ok() && may_replace && rename(target.c_str(), path.c_str()) != 0) {
    status = absl::ErrnoToStatus(errno, path);
  }
  if (!status.ok()) unlink(target.c_str());
  return status;
}

}  // namespace tandem
