#include "common/json_file.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/stored_file.h"

namespace tandem {
namespace {

using nlohmann::json;

// Stops nesting that only an attack has.
constexpr int kMaxDepth = 64;

// Watches a parse for what nlohmann lets pass: keys that appear twice.
class Strictness {
 public:
  bool operator()(int depth, json::parse_event_t event, json& value) {
    switch (event) {
      case json::parse_event_t::object_start:
        keys_.emplace_back();
        break;
      case json::parse_event_t::object_end:
        keys_.pop_back();
        break;
      case json::parse_event_t::key:
        Note(value.get_ref<const std::string&>());
        break;
      default:
        break;
    }
    if (depth > kMaxDepth && problem_.empty()) problem_ = "is nested too deep";
    return true;
  }
  const std::string& problem() const { return problem_; }

 private:
  void Note(const std::string& key) {
    if (!keys_.back().insert(key).second && problem_.empty()) {
      problem_ = absl::StrCat("has the key \"", key, "\" twice in one object");
    }
  }

  std::vector<std::set<std::string>> keys_;
  std::string problem_;
};

const json& EmptyObject() {
  static const json* const kEmpty = new json(json::object());
  return *kEmpty;
}

}  // namespace

absl::StatusOr<json> ParseJsonObject(absl::string_view text,
                                     const std::string& file) {
  Strictness strictness;
  json value;
  try {
    value = json::parse(text, std::ref(strictness));
  } catch (const json::parse_error& error) {
    const absl::string_view read = text.substr(0, error.byte);
    return absl::InvalidArgumentError(absl::StrCat(
        file, ": line ", 1 + std::count(read.begin(), read.end(), '\n'),
        ": is not one JSON object"));
  } catch (const json::exception&) {  // a number that no double can hold
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": is not one JSON object"));
  }
  if (!value.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": is not one JSON object"));
  }
  if (!strictness.problem().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": ", strictness.problem()));
  }
  return value;
}

absl::StatusOr<json> ReadJsonFile(const std::string& path, int64_t max_bytes) {
  TANDEM_ASSIGN_OR_RETURN(const StoredFile file, StoredFile::Open(path));
  if (file.size() > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", file.size(), " bytes are more than ", max_bytes));
  }
  std::string text(file.size(), '\0');
  TANDEM_RETURN_IF_ERROR(file.Read(0, text.size(), text.data()));
  return ParseJsonObject(text, path);
}

JsonObject::JsonObject(const json& value, std::string file, std::string path)
    : value_(value), file_(std::move(file)), path_(std::move(path)) {}

const json* JsonObject::Find(absl::string_view key) const {
  const auto found = value_.find(std::string(key));
  return found == value_.end() || found->is_null() ? nullptr : &*found;
}

absl::StatusOr<JsonObject> JsonObject::Object(absl::string_view key) const {
  const json* const found = Find(key);
  if (found != nullptr && !found->is_object()) {
    return Error(key, "is not an object");
  }
  return JsonObject(
      found == nullptr ? EmptyObject() : *found, file_,
      path_.empty() ? std::string(key) : absl::StrCat(path_, ".", key));
}

absl::Status JsonObject::ReadInt(absl::string_view key, int64_t min,
                                 int64_t max, int& out) const {
  const json* const found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  const bool fits =
      found->is_number_integer() &&
      !(found->is_number_unsigned() && found->get<uint64_t>() > INT64_MAX);
  if (!fits) return Error(key, "is not an integer");
  const int64_t value = found->get<int64_t>();
  if (value < min || value > max) {
    return Error(
        key, absl::StrCat("is ", value, ", outside [", min, ", ", max, "]"));
  }
  out = static_cast<int>(value);
  return absl::OkStatus();
}

absl::Status JsonObject::ReadNumber(absl::string_view key, double min,
                                    double max, double& out) const {
  const json* const found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_number()) return Error(key, "is not a number");
  const double value = found->get<double>();
  if (!(value >= min && value <= max)) {
    return Error(
        key, absl::StrCat("is ", value, ", outside [", min, ", ", max, "]"));
  }
  out = value;
  return absl::OkStatus();
}

absl::Status JsonObject::ReadBool(absl::string_view key, bool& out) const {
  const json* const found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_boolean()) return Error(key, "is not true or false");
  out = found->get<bool>();
  return absl::OkStatus();
}

absl::Status JsonObject::ReadString(absl::string_view key,
                                    std::string& out) const {
  const json* const found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_string()) return Error(key, "is not a string");
  out = found->get<std::string>();
  return absl::OkStatus();
}

absl::Status JsonObject::ReadInts(absl::string_view key, int64_t min,
                                  int64_t max, std::vector<int>& out) const {
  const json* const found = Find(key);
  if (found == nullptr) return absl::OkStatus();
  const json list = found->is_array() ? *found : json::array({*found});
  for (const json& element : list) {
    const json wrapped = {{std::string(key), element}};
    int value = 0;
    TANDEM_RETURN_IF_ERROR(
        JsonObject(wrapped, file_, path_).ReadInt(key, min, max, value));
    if (element.is_null()) return Error(key, "holds null");
    out.push_back(value);
  }
  return absl::OkStatus();
}

absl::Status JsonObject::Error(absl::string_view key,
                               absl::string_view problem) const {
  return absl::InvalidArgumentError(absl::StrCat(
      file_, ": ", path_, path_.empty() ? "" : ".", key, " ", problem));
}

}  // namespace tandem
