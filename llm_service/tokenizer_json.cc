#include "llm_service/tokenizer_json.h"

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "llm_service/pre_tokenizer.h"

namespace tandem {
namespace {

using nlohmann::json;

template <typename... Parts>
absl::Status Invalid(const std::string& file, const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", parts...));
}

bool IsTrue(const json& value) {
  return value.is_boolean() && value.get<bool>();
}

bool IsText(const json& value, absl::string_view text) {
  return value.is_string() && value.get_ref<const std::string&>() == text;
}

absl::StatusOr<int> ToTokenId(const std::string& file, absl::string_view token,
                              const json& value) {
  if (value.is_number_integer()) {
    const int64_t id = value.get<int64_t>();
    if (id >= 0 && id <= kMaxTokenId) return static_cast<int>(id);
  }
  return Invalid(file, "id ", value.dump(), " of token \"", token,
                 "\" is no integer in [0, ", kMaxTokenId, "]");
}

bool IsQwen2PreTokenizer(const json& pre_tokenizer) {
  const json want = {{{"type", "Split"},
                      {"pattern", {{"Regex", kQwen2Pattern}}},
                      {"behavior", "Isolated"},
                      {"invert", false}},
                     {{"type", "ByteLevel"},
                      {"add_prefix_space", false},
                      {"use_regex", false}}};
  json steps = JsonAt(pre_tokenizer, "pretokenizers");
  if (steps.is_array() && steps.size() == 2 && steps[1].is_object()) {
    steps[1].erase("trim_offsets");  // no matter for ids
  }
  return steps == want;
}

absl::Status CheckModelSettings(const std::string& file, const json& model) {
  if (!IsText(JsonAt(model, "type"), "BPE")) {
    return Invalid(file, "model.type is not BPE");
  }
  for (const char* key : {"dropout", "byte_fallback", "ignore_merges",
                          "continuing_subword_prefix", "end_of_word_suffix"}) {
    const json& value = JsonAt(model, key);
    if (!value.is_null() && value != json(false) && value != json("")) {
      return Invalid(file, "model.", key, " ", value.dump(),
                     " is not supported");
    }
  }
  return absl::OkStatus();
}

}  // namespace

const json& JsonAt(const json& object, const char* key) {
  static const json* const kNull = new json();
  if (!object.is_object()) return *kNull;
  const auto found = object.find(key);
  return found == object.end() ? *kNull : *found;
}

absl::Status CheckEncodingSettings(const std::string& file, const json& root,
                                   bool& normalize_nfc) {
  const json& normalizer = JsonAt(root, "normalizer");
  normalize_nfc = !normalizer.is_null();
  if (normalize_nfc && !IsText(JsonAt(normalizer, "type"), "NFC")) {
    return Invalid(file, "normalizer is not NFC");
  }
  if (!IsQwen2PreTokenizer(JsonAt(root, "pre_tokenizer"))) {
    return Invalid(file, "pre_tokenizer is not Qwen2's");
  }
  return CheckModelSettings(file, JsonAt(root, "model"));
}

absl::Status ReadVocabulary(const std::string& file, const json& vocabulary,
                            std::vector<std::pair<std::string, int>>& out) {
  if (!vocabulary.is_object()) return Invalid(file, "vocab is not an object");
  absl::flat_hash_map<int, const std::string*> seen;
  seen.reserve(vocabulary.size());
  out.reserve(vocabulary.size());
  for (const auto& [token, value] : vocabulary.items()) {
    TANDEM_ASSIGN_OR_RETURN(const int id, ToTokenId(file, token, value));
    out.emplace_back(token, id);
    const auto [other, is_new] = seen.emplace(id, &out.back().first);
    if (!is_new) {
      return Invalid(file, "id ", id, " belongs to both \"", *other->second,
                     "\" and \"", token, "\"");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadMerges(const std::string& file, const json& merges,
                        std::vector<std::pair<std::string, std::string>>& out) {
  if (!merges.is_array()) return Invalid(file, "merges is not a list");
  out.reserve(merges.size());
  for (const json& merge : merges) {
    std::vector<std::string> parts;
    if (merge.is_string()) {
      parts = absl::StrSplit(merge.get_ref<const std::string&>(), ' ');
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      merge.get_to(parts);
    }
    if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
      return Invalid(file, "merge ", out.size(), " ", merge.dump(),
                     " is not a pair");
    }
    out.emplace_back(std::move(parts[0]), std::move(parts[1]));
  }
  return absl::OkStatus();
}

absl::Status AddedTokenReader::ReadMap(const std::string& file,
                                       const json& id_by_text) {
  for (const auto& [text, id] : id_by_text.items()) {
    TANDEM_RETURN_IF_ERROR(Add(file, json(text), id));
  }
  return absl::OkStatus();
}

absl::Status AddedTokenReader::ReadList(const std::string& file,
                                        const json& tokens) {
  if (!tokens.is_array()) return Invalid(file, "added_tokens is not a list");
  for (const json& token : tokens) {
    TANDEM_RETURN_IF_ERROR(ReadToken(file, token, JsonAt(token, "id")));
  }
  return absl::OkStatus();
}

absl::Status AddedTokenReader::ReadDecoder(const std::string& file,
                                           const json& token_by_id) {
  if (token_by_id.is_null()) return absl::OkStatus();
  if (!token_by_id.is_object()) {
    return Invalid(file, "added_tokens_decoder is not an object");
  }
  for (const auto& [key, token] : token_by_id.items()) {
    int id = -1;
    if (!absl::SimpleAtoi(key, &id)) {
      return Invalid(file, "added_tokens_decoder: \"", key, "\" is no id");
    }
    TANDEM_RETURN_IF_ERROR(ReadToken(file, token, json(id)));
  }
  return absl::OkStatus();
}

absl::Status AddedTokenReader::ReadToken(const std::string& file,
                                         const json& token, const json& id) {
  // `normalized` decides nothing for tokens that NFC leaves as they are.
  for (const char* flag : {"lstrip", "rstrip", "single_word"}) {
    if (IsTrue(JsonAt(token, flag))) {
      return Invalid(file, "added token ", JsonAt(token, "content").dump(),
                     " has ", flag, ", which is not supported");
    }
  }
  return Add(file, JsonAt(token, "content"), id);
}

absl::Status AddedTokenReader::Add(const std::string& file, const json& text,
                                   const json& id) {
  if (!text.is_string() || text.get_ref<const std::string&>().empty()) {
    return Invalid(file, "added token ", id.dump(), " has no text");
  }
  const std::string& token = text.get_ref<const std::string&>();
  TANDEM_ASSIGN_OR_RETURN(const int value, ToTokenId(file, token, id));
  const auto [known, is_new] = ids_by_text_.emplace(token, value);
  if (!is_new && known->second == value) return absl::OkStatus();
  if (!is_new) {
    return Invalid(file, "added token \"", token, "\" has the ids ",
                   known->second, " and ", value);
  }
  if (!ids_.insert(value).second) {
    return Invalid(file, "id ", value, " of added token \"", token,
                   "\" belongs to another one too");
  }
  tokens_.emplace_back(token, value);
  return absl::OkStatus();
}

}  // namespace tandem
