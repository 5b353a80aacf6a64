#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace tandem {

// The JSON object that `text` is; no key may appear twice in it or in an object
// inside. INVALID_ARGUMENT that begins with `file` and, where the text is no
// JSON, names the line. Quotes a key that is there twice, else nothing.
absl::StatusOr<nlohmann::json> ParseJsonObject(absl::string_view text,
                                               const std::string& file);

// The same of a file's text. NOT_FOUND; INVALID_ARGUMENT for a file above
// `max_bytes`.
absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path,
                                            int64_t max_bytes);

// A JSON object and where it stands, so that messages can say so. The Read
// functions leave `out` as it is where the key is missing or null; they fail
// with INVALID_ARGUMENT "file: path.key is ..." for a wrong type or a value
// outside the bounds. Borrows the JSON value.
class JsonObject {
 public:
  // `path` is the place within the file, empty for the whole of it.
  JsonObject(const nlohmann::json& value, std::string file, std::string path);

  // The object under `key`; an empty one where it is missing or null.
  absl::StatusOr<JsonObject> Object(absl::string_view key) const;
  // Null where the key is missing or null.
  const nlohmann::json* Find(absl::string_view key) const;

  absl::Status ReadInt(absl::string_view key, int64_t min, int64_t max,
                       int& out) const;
  absl::Status ReadNumber(absl::string_view key, double min, double max,
                          double& out) const;
  absl::Status ReadBool(absl::string_view key, bool& out) const;
  absl::Status ReadString(absl::string_view key, std::string& out) const;
  // One integer or a list of them, appended to `out`.
  absl::Status ReadInts(absl::string_view key, int64_t min, int64_t max,
                        std::vector<int>& out) const;

  const nlohmann::json& value() const { return value_; }

  // INVALID_ARGUMENT "file: path.key problem".
  absl::Status Error(absl::string_view key, absl::string_view problem) const;

 private:
  const nlohmann::json& value_;
  const std::string file_;
  const std::string path_;
};

}  // namespace tandem
