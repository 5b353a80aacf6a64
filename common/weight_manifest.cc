#include "common/weight_manifest.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/sha256.h"
#include "common/status_macros.h"
#include "common/stored_file.h"

namespace tandem {
namespace {

constexpr int64_t kMaxManifestBytes = 1 << 20;
constexpr size_t kDigestDigits = 64;
constexpr size_t kReadBytes = 1 << 20;

// File name to digest.
using Manifest = std::map<std::string, std::string>;

bool IsDigest(absl::string_view text) {
  return text.size() == kDigestDigits &&
         absl::c_all_of(
             text, [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

absl::StatusOr<std::pair<std::string, std::string>> ParseLine(
    absl::string_view line) {
  const absl::string_view digest = line.substr(0, kDigestDigits);
  const absl::string_view rest =
      line.substr(std::min(line.size(), kDigestDigits));
  const bool separated =
      rest.size() > 2 && rest[0] == ' ' && (rest[1] == ' ' || rest[1] == '*');
  if (!IsDigest(digest) || !separated) {
    return absl::InvalidArgumentError("is not a digest and a file name");
  }
  const absl::string_view name = rest.substr(2);
  if (name.find('/') != absl::string_view::npos) {
    return absl::InvalidArgumentError("names a file of another folder");
  }
  return std::pair(std::string(name), absl::AsciiStrToLower(digest));
}

absl::StatusOr<Manifest> ReadManifest(const std::string& path) {
  TANDEM_ASSIGN_OR_RETURN(const StoredFile file, StoredFile::Open(path));
  if (file.size() > kMaxManifestBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", file.size(), " bytes are more than ", kMaxManifestBytes));
  }
  std::string text(file.size(), '\0');
  TANDEM_RETURN_IF_ERROR(file.Read(0, text.size(), text.data()));
  Manifest manifest;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (line.empty()) continue;
    auto entry = ParseLine(line);
    if (!entry.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": line ", number, " ", entry.status().message()));
    }
    manifest.insert(*std::move(entry));
  }
  return manifest;
}

// A file that decides what the model computes must not be left out.
absl::Status CheckAllListed(const std::string& directory,
                            const Manifest& manifest) {
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    const bool decides =
        name == "config.json" || entry.path().extension() == ".safetensors";
    if (decides && !manifest.contains(name)) {
      return absl::InvalidArgumentError(absl::StrCat(
          directory, "/", name, ": is not listed in ", kWeightManifest));
    }
  }
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(directory, ": ", error.message()));
}

absl::StatusOr<std::string> HashFile(const std::string& path) {
  TANDEM_ASSIGN_OR_RETURN(const StoredFile file, StoredFile::Open(path));
  std::vector<char> buffer(kReadBytes);
  Sha256 hash;
  for (int64_t offset = 0; offset < file.size();) {
    const size_t some = std::min<int64_t>(kReadBytes, file.size() - offset);
    TANDEM_RETURN_IF_ERROR(file.Read(offset, some, buffer.data()));
    hash.Add(absl::string_view(buffer.data(), some));
    offset += static_cast<int64_t>(some);
  }
  return hash.Hex();
}

}  // namespace

absl::Status VerifyWeightManifest(const std::string& directory) {
  TANDEM_ASSIGN_OR_RETURN(
      const Manifest manifest,
      ReadManifest(absl::StrCat(directory, "/", kWeightManifest)));
  TANDEM_RETURN_IF_ERROR(CheckAllListed(directory, manifest));
  for (const auto& [name, wanted] : manifest) {
    const std::string path = absl::StrCat(directory, "/", name);
    TANDEM_ASSIGN_OR_RETURN(const std::string digest, HashFile(path));
    if (digest != wanted) {
      return absl::DataLossError(absl::StrCat(path, ": has SHA-256 ", digest,
                                              ", ", kWeightManifest, " says ",
                                              wanted));
    }
  }
  return absl::OkStatus();
}

}  // namespace tandem
