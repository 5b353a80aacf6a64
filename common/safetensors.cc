#include "common/safetensors.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/safetensors_header.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

constexpr int64_t kLengthBytes = 8;

absl::StatusOr<int64_t> ReadHeaderLength(const StoredFile& file) {
  if (file.size() < kLengthBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path(), ": ", file.size(),
                     " bytes are too short for a safetensors file"));
  }
  unsigned char bytes[kLengthBytes];
  TANDEM_RETURN_IF_ERROR(file.Read(0, sizeof(bytes), bytes));
  uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i) length = length << 8 | bytes[i];
  if (length > static_cast<uint64_t>(kMaxSafetensorsHeader)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path(), ": header of ", length,
                     " bytes is longer than ", kMaxSafetensorsHeader));
  }
  if (static_cast<int64_t>(length) > file.size() - kLengthBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path(), ": header of ", length,
                     " bytes is longer than the file of ", file.size()));
  }
  return static_cast<int64_t>(length);
}

}  // namespace

absl::optional<DType> StoredTensor::weight_dtype() const {
  if (dtype == "BF16") return DType::kBFloat16;
  if (dtype == "F32") return DType::kFloat32;
  if (dtype == "F16") return DType::kFloat16;
  return absl::nullopt;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  TANDEM_ASSIGN_OR_RETURN(StoredFile file, StoredFile::Open(path));
  TANDEM_ASSIGN_OR_RETURN(const int64_t length, ReadHeaderLength(file));
  std::string header(length, '\0');
  TANDEM_RETURN_IF_ERROR(file.Read(kLengthBytes, header.size(), header.data()));
  const int64_t data_begin = kLengthBytes + length;
  auto tensors = ParseSafetensorsHeader(header, file.size() - data_begin);
  if (!tensors.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", tensors.status().message()));
  }
  for (auto& [name, tensor] : *tensors) tensor.offset += data_begin;
  return SafetensorsFile(std::move(file), *std::move(tensors));
}

SafetensorsFile::SafetensorsFile(StoredFile file, Tensors tensors)
    : file_(std::move(file)), tensors_(std::move(tensors)) {}

absl::Status SafetensorsFile::Read(const StoredTensor& tensor, int64_t offset,
                                   absl::Span<char> out) const {
  return file_.Read(tensor.offset + offset, out.size(), out.data());
}

}  // namespace tandem
