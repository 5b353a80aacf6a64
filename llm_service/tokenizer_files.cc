#include "llm_service/tokenizer_files.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/sha256.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "llm_service/tokenizer_json.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using nlohmann::json;

template <typename... Parts>
absl::Status Invalid(const std::string& file, const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", parts...));
}

// The largest published tokenizer.json has 12 MB.
constexpr uintmax_t kMaxFileBytes = 256u << 20;

// Reads one tokenizer.
class Collector {
 public:
  explicit Collector(const std::string& directory) : directory_(directory) {}

  absl::StatusOr<TokenizerFiles> Collect() && {
    TANDEM_RETURN_IF_ERROR(Exists("tokenizer.json") ? CollectOneFile()
                                                    : CollectSeveralFiles());
    files_.added_tokens = added_tokens_.Take();
    files_.digest = digest_.Hex();
    return std::move(files_);
  }

 private:
  absl::Status CollectOneFile();
  absl::Status CollectSeveralFiles();
  absl::Status CollectAddedTokens();

  std::string Path(absl::string_view name) const {
    return (std::filesystem::path(directory_) / std::string(name)).string();
  }
  bool Exists(absl::string_view name) const {
    std::error_code error;
    return std::filesystem::exists(Path(name), error);
  }
  absl::StatusOr<std::string> ReadText(const std::string& file);
  absl::StatusOr<json> ReadObject(const std::string& file);
  absl::Status ReadMergesText(const std::string& file, absl::string_view text);

  const std::string directory_;
  Sha256 digest_;
  AddedTokenReader added_tokens_;
  TokenizerFiles files_;
};

absl::StatusOr<std::string> Collector::ReadText(const std::string& file) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(file, error);
  if (error == std::errc::no_such_file_or_directory) {
    return absl::NotFoundError(absl::StrCat(file, ": no such file"));
  }
  if (error) return Invalid(file, error.message());
  if (size > kMaxFileBytes) {
    return Invalid(file, size, " bytes are more than ", kMaxFileBytes);
  }
  std::string text(size, '\0');
  std::ifstream stream(file, std::ios::binary);
  if (!stream.read(text.data(), static_cast<std::streamsize>(size))) {
    return Invalid(file, "cannot be read");
  }
  digest_.Add(text);
  return text;
}

absl::StatusOr<json> Collector::ReadObject(const std::string& file) {
  TANDEM_ASSIGN_OR_RETURN(const std::string text, ReadText(file));
  try {
    json value = json::parse(text);
    if (!value.is_object()) return Invalid(file, "is not a JSON object");
    return value;
  } catch (const json::parse_error& error) {
    return Invalid(file, "is not JSON at byte ", error.byte);
  }
}

absl::Status Collector::CollectOneFile() {
  const std::string file = Path("tokenizer.json");
  files_.vocabulary_file = files_.merges_file = files_.added_tokens_file = file;
  TANDEM_ASSIGN_OR_RETURN(const json root, ReadObject(file));
  TANDEM_RETURN_IF_ERROR(
      CheckEncodingSettings(file, root, files_.normalize_nfc));
  const json& model = JsonAt(root, "model");
  TANDEM_RETURN_IF_ERROR(
      ReadVocabulary(file, JsonAt(model, "vocab"), files_.vocabulary));
  TANDEM_RETURN_IF_ERROR(
      ReadMerges(file, JsonAt(model, "merges"), files_.merges));
  return added_tokens_.ReadList(file, JsonAt(root, "added_tokens"));
}

absl::Status Collector::CollectSeveralFiles() {
  files_.vocabulary_file = Path("vocab.json");
  files_.merges_file = Path("merges.txt");
  TANDEM_ASSIGN_OR_RETURN(const json vocabulary,
                          ReadObject(files_.vocabulary_file));
  TANDEM_RETURN_IF_ERROR(
      ReadVocabulary(files_.vocabulary_file, vocabulary, files_.vocabulary));
  TANDEM_ASSIGN_OR_RETURN(const std::string merges,
                          ReadText(files_.merges_file));
  TANDEM_RETURN_IF_ERROR(ReadMergesText(files_.merges_file, merges));
  return CollectAddedTokens();
}

absl::Status Collector::CollectAddedTokens() {
  std::string& file = files_.added_tokens_file;
  if (Exists("added_tokens.json")) {
    file = Path("added_tokens.json");
    TANDEM_ASSIGN_OR_RETURN(const json root, ReadObject(file));
    TANDEM_RETURN_IF_ERROR(added_tokens_.ReadMap(file, root));
  }
  if (Exists("tokenizer_config.json")) {
    file = Path("tokenizer_config.json");
    TANDEM_ASSIGN_OR_RETURN(const json root, ReadObject(file));
    TANDEM_RETURN_IF_ERROR(
        added_tokens_.ReadDecoder(file, JsonAt(root, "added_tokens_decoder")));
  }
  if (file.empty()) {
    return absl::NotFoundError(
        absl::StrCat(Path("added_tokens.json"),
                     ": no such file, and no tokenizer_config.json either"));
  }
  return absl::OkStatus();
}

absl::Status Collector::ReadMergesText(const std::string& file,
                                       absl::string_view text) {
  int line_number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++line_number;
    absl::ConsumeSuffix(&line, "\r");
    if (line.empty()) continue;
    if (line_number == 1 && absl::ConsumePrefix(&line, "#version")) continue;
    const std::vector<std::string> parts = absl::StrSplit(line, ' ');
    if (parts.size() != 2 || parts[0].empty() || parts[1].empty() ||
        !CheckUtf8(line).ok()) {
      return Invalid(file, "line ", line_number, " is not a pair");
    }
    files_.merges.emplace_back(parts[0], parts[1]);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(
    const std::string& directory) {
  return Collector(directory).Collect();
}

}  // namespace tandem
