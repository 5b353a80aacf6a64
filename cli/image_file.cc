#include "cli/image_file.h"

#include "absl/strings/str_cat.h"
#include "cli/error_line.h"
#include "common/image_header.h"
#include "common/status_macros.h"
#include "common/stored_file.h"

namespace tandem {

absl::StatusOr<std::string> ReadImageFile(const std::string& path) {
  TANDEM_ASSIGN_OR_RETURN(const StoredFile file, StoredFile::Open(path));
  const int64_t most = ImageLimits().max_bytes;
  if (file.size() > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the file has ", file.size(),
                     " bytes; a picture may have ", most));
  }
  std::string bytes(static_cast<size_t>(file.size()), '\0');
  TANDEM_RETURN_IF_ERROR(file.Read(0, bytes.size(), bytes.data()));
  return bytes;
}

absl::StatusOr<Picture> ReadPicture(const std::string& path) {
  Picture picture;
  TANDEM_ASSIGN_OR_RETURN(picture.bytes, ReadImageFile(path));
  absl::StatusOr<ImageHeader> header = ReadImageHeader(picture.bytes);
  if (!header.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", ErrorLine(header.status())));
  }
  picture.header = *std::move(header);
  return picture;
}

}  // namespace tandem
