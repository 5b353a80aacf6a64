#include "common/shards.h"

#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/json_file.h"
#include "common/model_tensors.h"
#include "common/status_macros.h"
#include "common/tensor_names.h"

namespace tandem {
namespace {

constexpr int64_t kMaxIndexBytes = 4 << 20;
// The largest model of the family has 33; each costs a file descriptor.
constexpr size_t kMaxShards = 512;

// Tensor name to file name.
using WeightMap = std::map<std::string, std::string>;

bool IsPlainShardName(const std::string& name) {
  return absl::EndsWith(name, ".safetensors") && name.front() != '.' &&
         name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
}

absl::StatusOr<WeightMap> ReadIndex(const std::string& path) {
  TANDEM_ASSIGN_OR_RETURN(const nlohmann::json root,
                          ReadJsonFile(path, kMaxIndexBytes));
  TANDEM_ASSIGN_OR_RETURN(const JsonObject entries,
                          JsonObject(root, path, "").Object("weight_map"));
  WeightMap map;
  for (const auto& [tensor, file] : entries.value().items()) {
    if (!file.is_string() || !IsPlainShardName(file.get<std::string>())) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": weight_map puts \"", absl::Utf8SafeCHexEscape(tensor),
          "\" into what is no file name of a shard"));
    }
    map[tensor] = file.get<std::string>();
  }
  if (map.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": weight_map names no tensor"));
  }
  return map;
}

bool IsWanted(const std::string& stored_name, WeightSet set) {
  if (set != WeightSet::kVision) return true;
  const auto place = PlaceOfTensor(stored_name);
  return place.has_value() && IsVisionTensor(place->name);
}

// The shard holds what the index puts into it, and nothing else.
absl::Status CheckAgreement(const std::string& index, const WeightMap& map,
                            const std::string& name,
                            const SafetensorsFile& file) {
  for (const auto& [tensor, stored] : file.tensors()) {
    const auto entry = map.find(tensor);
    if (entry == map.end() || entry->second != name) {
      return absl::InvalidArgumentError(absl::StrCat(
          file.path(), ": tensor \"", tensor, "\" is not put here by ", index));
    }
  }
  for (const auto& [tensor, shard] : map) {
    if (shard == name && !file.tensors().contains(tensor)) {
      return absl::InvalidArgumentError(
          absl::StrCat(file.path(), ": lacks tensor \"", tensor,
                       "\", which is put here by ", index));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Shards> OpenIndexed(const std::string& directory,
                                   const std::string& index, WeightSet set) {
  TANDEM_ASSIGN_OR_RETURN(const WeightMap map, ReadIndex(index));
  std::set<std::string> wanted;
  for (const auto& [tensor, shard] : map) {
    if (IsWanted(tensor, set)) wanted.insert(shard);
  }
  if (wanted.size() > kMaxShards) {
    return absl::InvalidArgumentError(absl::StrCat(
        index, ": ", wanted.size(), " shards are more than ", kMaxShards));
  }
  Shards shards{.listing = index, .files = {}};
  for (const std::string& name : wanted) {
    TANDEM_ASSIGN_OR_RETURN(
        SafetensorsFile file,
        SafetensorsFile::Open(absl::StrCat(directory, "/", name)));
    TANDEM_RETURN_IF_ERROR(CheckAgreement(index, map, name, file));
    shards.files.push_back(std::move(file));
  }
  return shards;
}

}  // namespace

absl::StatusOr<Shards> OpenShards(const std::string& directory, WeightSet set) {
  const std::string single = directory + "/model.safetensors";
  auto file = SafetensorsFile::Open(single);
  if (file.ok()) {
    Shards shards{.listing = single, .files = {}};
    shards.files.push_back(*std::move(file));
    return shards;
  }
  if (!absl::IsNotFound(file.status())) return file.status();
  auto shards = OpenIndexed(directory, single + ".index.json", set);
  if (absl::IsNotFound(shards.status()) &&
      absl::StrContains(shards.status().message(), ".index.json")) {
    return absl::NotFoundError(absl::StrCat(
        directory,
        ": holds neither model.safetensors nor model.safetensors.index.json"));
  }
  return shards;
}

}  // namespace tandem
