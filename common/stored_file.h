#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tandem {

// A regular file, open for reading at any place. Owns the descriptor; reads are
// thread-safe.
class StoredFile {
 public:
  // NOT_FOUND, PERMISSION_DENIED, or INVALID_ARGUMENT for what is no regular
  // file. Every message begins with `path`.
  static absl::StatusOr<StoredFile> Open(const std::string& path);

  StoredFile(StoredFile&& other) noexcept;
  StoredFile& operator=(StoredFile&&) = delete;
  ~StoredFile();

  const std::string& path() const { return path_; }
  // Bytes, when it was opened.
  int64_t size() const { return size_; }

  // Fills `out` with `num_bytes` from `offset`. DATA_LOSS where the file ends
  // before that: it may have been cut since it was opened.
  absl::Status Read(int64_t offset, size_t num_bytes, void* out) const;

 private:
  StoredFile(std::string path, int descriptor, int64_t size);

  std::string path_;
  int descriptor_;
  int64_t size_;
};

}  // namespace tandem
