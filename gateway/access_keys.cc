#include "gateway/access_keys.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/json_file.h"
#include "common/status_macros.h"
#include "common/stored_file.h"

namespace tandem {
namespace {

using nlohmann::json;

constexpr int64_t kMaxFileBytes = int64_t{1} << 20;
constexpr size_t kMaxKeys = 1024;
constexpr size_t kMaxDigests = 8;  // of one key
constexpr size_t kMaxModels = 64;  // of one key
constexpr size_t kMaxIdBytes = 64;
constexpr size_t kDigestBytes = 32;

bool IsId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxIdBytes &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

// What was written in place of a field's name might be a key.
std::string Shown(absl::string_view name) {
  const bool is_word =
      name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_islower(c) || c == '_';
      });
  return is_word ? std::string(name) : "(a name that is not shown)";
}

// A misspelt bound would be a bound that is not there.
absl::Status CheckNames(const JsonObject& object,
                        const std::vector<std::string>& known) {
  for (const auto& [name, value] : object.value().items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return object.Error(Shown(name), "is no field of a keys file");
    }
  }
  return absl::OkStatus();
}

// One string or a list of them.
absl::StatusOr<std::vector<std::string>> ReadStrings(const JsonObject& entry,
                                                     const char* name,
                                                     size_t at_most) {
  const json* const found = entry.Find(name);
  if (found == nullptr) return std::vector<std::string>();
  const json list = found->is_array() ? *found : json::array({*found});
  if (list.empty() || list.size() > at_most) {
    return entry.Error(
        name, absl::StrCat("holds ", list.size(), " strings, outside [1, ",
                           at_most, "]"));
  }
  std::vector<std::string> strings;
  for (const json& element : list) {
    if (!element.is_string()) {
      return entry.Error(name, "is neither a string nor a list of strings");
    }
    strings.push_back(element.get<std::string>());
  }
  return strings;
}

// A value that is no digest might be the key itself: it is not shown.
absl::Status ReadDigests(const JsonObject& entry, ApiKey& key) {
  TANDEM_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                          ReadStrings(entry, "sha256", kMaxDigests));
  if (texts.empty()) return entry.Error("sha256", "is missing");
  for (const std::string& text : texts) {
    if (text.size() != 2 * kDigestBytes ||
        !std::all_of(text.begin(), text.end(), absl::ascii_isxdigit)) {
      return entry.Error("sha256", "is not 64 hexadecimal digits");
    }
    key.digests.push_back(absl::HexStringToBytes(text));
  }
  return absl::OkStatus();
}

absl::Status ReadExpiry(const JsonObject& entry, ApiKey& key) {
  if (entry.Find("expires") == nullptr) return absl::OkStatus();
  std::string text, why;
  TANDEM_RETURN_IF_ERROR(entry.ReadString("expires", text));
  if (absl::ParseTime(absl::RFC3339_full, text, &key.expires, &why)) {
    return absl::OkStatus();
  }
  return entry.Error("expires", "is not a time like 2027-01-31T00:00:00Z");
}

absl::StatusOr<ApiKey> ParseApiKey(const JsonObject& entry) {
  TANDEM_RETURN_IF_ERROR(
      CheckNames(entry, {"id", "sha256", "models", "requests_per_minute",
                         "concurrent", "tokens_per_minute", "expires"}));
  ApiKey key;
  TANDEM_RETURN_IF_ERROR(entry.ReadString("id", key.id));
  if (!IsId(key.id)) {
    return entry.Error("id", "is not 1 to 64 characters of [A-Za-z0-9._-]");
  }
  TANDEM_RETURN_IF_ERROR(ReadDigests(entry, key));
  TANDEM_ASSIGN_OR_RETURN(key.models, ReadStrings(entry, "models", kMaxModels));
  TANDEM_RETURN_IF_ERROR(entry.ReadInt("requests_per_minute", 1, 1'000'000,
                                       key.requests_per_minute));
  TANDEM_RETURN_IF_ERROR(
      entry.ReadInt("concurrent", 1, 10'000, key.concurrent));
  if (entry.Find("tokens_per_minute") != nullptr) {
    TANDEM_RETURN_IF_ERROR(entry.ReadInt("tokens_per_minute", 1, 1'000'000'000,
                                         key.tokens_per_minute.emplace()));
  }
  TANDEM_RETURN_IF_ERROR(ReadExpiry(entry, key));
  return key;
}

// Notes where in the file something is; false where it was there before.
class Places {
 public:
  bool Add(const std::string& what, const std::string& where) {
    return places_.try_emplace(what, where).second;
  }
  const std::string& Of(const std::string& what) { return places_[what]; }

 private:
  std::map<std::string, std::string> places_;
};

absl::Status CheckNew(const JsonObject& entry, const ApiKey& key,
                      const std::string& where, Places& ids, Places& digests) {
  if (!ids.Add(key.id, where)) {
    return entry.Error("id", absl::StrCat("is that of ", ids.Of(key.id)));
  }
  for (const std::string& digest : key.digests) {
    if (!digests.Add(digest, where)) {
      return entry.Error("sha256",
                         absl::StrCat("is that of ", digests.Of(digest)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool ApiKey::MayUse(absl::string_view model) const {
  return models.empty() ||
         std::find(models.begin(), models.end(), model) != models.end();
}

absl::StatusOr<std::vector<ApiKey>> ParseApiKeys(absl::string_view text,
                                                 const std::string& file) {
  TANDEM_ASSIGN_OR_RETURN(const json root, ParseJsonObject(text, file));
  const JsonObject object(root, file, "");
  TANDEM_RETURN_IF_ERROR(CheckNames(object, {"keys"}));
  const json* const list = object.Find("keys");
  if (list == nullptr || !list->is_array()) {
    return object.Error("keys", "is not a list");
  }
  if (list->size() > kMaxKeys) {
    return object.Error("keys", absl::StrCat("holds ", list->size(),
                                             " entries, more than ", kMaxKeys));
  }
  std::vector<ApiKey> keys;
  Places ids, digests;
  for (const json& value : *list) {
    const std::string where = absl::StrCat("keys[", keys.size(), "]");
    if (!value.is_object()) {
      return object.Error(where, "is not an object");
    }
    const JsonObject entry(value, file, where);
    TANDEM_ASSIGN_OR_RETURN(ApiKey key, ParseApiKey(entry));
    TANDEM_RETURN_IF_ERROR(CheckNew(entry, key, where, ids, digests));
    keys.push_back(std::move(key));
  }
  return keys;
}

absl::StatusOr<std::string> ReadKeysFile(const std::string& path) {
  TANDEM_ASSIGN_OR_RETURN(const StoredFile file, StoredFile::Open(path));
  if (file.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", file.size(), " bytes are more than ", kMaxFileBytes));
  }
  std::string text(file.size(), '\0');
  TANDEM_RETURN_IF_ERROR(file.Read(0, text.size(), text.data()));
  return text;
}

bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() &&
         CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

int FindApiKey(
    const std::vector<ApiKey>& keys, absl::string_view digest,
    const std::function<bool(absl::string_view, absl::string_view)>& equal) {
  int found = -1;
  for (size_t i = 0; i < keys.size(); ++i) {
    for (const std::string& known : keys[i].digests) {
      if (equal(known, digest)) found = static_cast<int>(i);
    }
  }
  return found;
}

}  // namespace tandem
