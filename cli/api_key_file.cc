#include "cli/api_key_file.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/stored_file.h"

namespace tandem {

absl::StatusOr<std::string> ReadApiKeyFile(const std::string& path) {
  constexpr size_t kMaxKeyBytes = 512;
  constexpr int64_t kMaxFileBytes = 1024;
  TANDEM_ASSIGN_OR_RETURN(const StoredFile file, StoredFile::Open(path));
  std::string key(std::min(file.size(), kMaxFileBytes), '\0');
  TANDEM_RETURN_IF_ERROR(file.Read(0, key.size(), key.data()));
  absl::StripAsciiWhitespace(&key);
  if (key.empty() || key.size() > kMaxKeyBytes ||
      !std::all_of(key.begin(), key.end(), absl::ascii_isgraph)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is not one key of 1 to ", kMaxKeyBytes,
                     " visible ASCII characters"));
  }
  return key;
}

}  // namespace tandem
