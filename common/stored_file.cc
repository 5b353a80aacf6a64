#include "common/stored_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tandem {

absl::StatusOr<StoredFile> StoredFile::Open(const std::string& path) {
  // O_NONBLOCK: a pipe in the file's place must not stop us; on a regular file
  // it means nothing.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be opened"));
  }
  StoredFile file(path, descriptor, 0);
  struct stat status;
  if (fstat(descriptor, &status) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be read"));
  }
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is not a regular file"));
  }
  file.size_ = status.st_size;
  return file;
}

StoredFile::StoredFile(std::string path, int descriptor, int64_t size)
    : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

StoredFile::StoredFile(StoredFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

StoredFile::~StoredFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status StoredFile::Read(int64_t offset, size_t num_bytes,
                              void* out) const {
  char* target = static_cast<char*>(out);
  while (num_bytes > 0) {
    const ssize_t got = pread(descriptor_, target, num_bytes, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": read failed"));
    }
    if (got == 0) {
      return absl::DataLossError(absl::StrCat(path_, ": ends at byte ", offset,
                                              ", ", num_bytes,
                                              " bytes before it should"));
    }
    target += got;
    offset += got;
    num_bytes -= got;
  }
  return absl::OkStatus();
}

}  // namespace tandem
