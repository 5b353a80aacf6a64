#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/dtype.h"
#include "common/stored_file.h"

namespace tandem {

// A tensor of a file: row-major, dense, little-endian.
struct StoredTensor {
  std::string dtype;  // as written: "BF16", "I64", ...
  std::vector<int64_t> shape;
  int64_t offset = 0;  // bytes from the beginning of the file
  int64_t num_bytes = 0;

  // Empty for element types that are no weights (integers, float64, ...).
  absl::optional<DType> weight_dtype() const;
};

// Bounds of a header; the largest model of the family uses 300 KB and 1,558
// tensors.
inline constexpr int64_t kMaxSafetensorsHeader = 100'000'000;  // bytes
inline constexpr int kMaxSafetensorsTensors = 1 << 16;
inline constexpr int kMaxTensorRank = 8;

// A safetensors file: 8 bytes of header length, a JSON header, data. Only the
// header is read when it is opened, and nothing it says is believed: it costs
// at most a small multiple of its own length, which is checked against the
// file's. Thread-safe. Source: https://github.com/huggingface/safetensors,
// "Format".
class SafetensorsFile {
 public:
  // INVALID_ARGUMENT, beginning with the path, for a file in which
  //   - the header is longer than the file or 100 MB, no JSON object, nested or
  //     typed otherwise than the format says, or names a key twice;
  //   - a tensor has an unknown element type, a negative or fractional
  //     dimension, more elements than 2^63 bytes hold, or bytes that do not
  //     match its shape;
  //   - tensors overlap, leave a hole, or end elsewhere than the file does.
  // The errors of StoredFile besides.
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const {
    return tensors_;
  }

  // Fills `out` from `offset` bytes into the tensor's data; the caller stays
  // within num_bytes. DATA_LOSS where the file has become shorter.
  absl::Status Read(const StoredTensor& tensor, int64_t offset,
                    absl::Span<char> out) const;

 private:
  using Tensors = std::map<std::string, StoredTensor, std::less<>>;
  SafetensorsFile(StoredFile file, Tensors tensors);

  StoredFile file_;
  Tensors tensors_;
};

}  // namespace tandem
