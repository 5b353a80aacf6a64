#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "gateway/json_shape.h"
#include "simdjson.h"

namespace tandem {

// Where a value is in a body: "messages[0].content". A chain of pieces that
// live on the stack of whoever reads; the root is the empty path.
class JsonPath {
 public:
  JsonPath() = default;
  JsonPath(const JsonPath& parent, absl::string_view key)
      : parent_(&parent), key_(key) {}
  JsonPath(const JsonPath& parent, int index)
      : parent_(&parent), index_(index) {}

  std::string ToString() const;

 private:
  const JsonPath* parent_ = nullptr;
  absl::string_view key_;
  int index_ = -1;
};

// A value of a body, read from front to back by simdjson's on-demand parser,
// which checks a value only when it is read: whoever gets a JsonValue reads it
// once, by one of the functions below, Check at least. A mistake in the JSON is
// an error of NotJson; a value of another type, or out of range, FIELD_INVALID
// naming the path. Null is "not set": `out` is empty then.
class JsonValue {
 public:
  using FieldVisitor =
      absl::FunctionRef<absl::Status(absl::string_view key, JsonValue value)>;
  using ItemVisitor = absl::FunctionRef<absl::Status(int index, JsonValue)>;
  enum class Type { kNull, kBool, kNumber, kString, kList, kObject };

  JsonValue(simdjson::ondemand::value value, const JsonPath& path)
      : value_(value), path_(&path) {}

  const JsonPath& path() const { return *path_; }
  absl::Status Error(absl::string_view description) const;
  // UNSUPPORTED_PARAMETER.
  absl::Status Unsupported(absl::string_view description) const;

  // Does not read it, but for null.
  absl::StatusOr<Type> GetType();
  absl::Status ReadBool(absl::optional<bool>& out);
  // 16.0 is an integer.
  absl::Status ReadInteger(int64_t min, int64_t max,
                           absl::optional<int64_t>& out);
  // Any integer of 64 bits; a negative one modulo 2^64.
  absl::Status ReadSeed(absl::optional<uint64_t>& out);
  // Within what a float holds.
  absl::Status ReadFloat(absl::optional<float>& out);
  // The string lies in the body where it has no escapes, else in the JsonBody.
  absl::Status ReadString(absl::optional<absl::string_view>& out);
  // Calls for every field, in order; not at all for null.
  absl::Status ReadFields(FieldVisitor visit);
  absl::Status ReadItems(ItemVisitor visit);
  // Null, "", [] and {}.
  absl::StatusOr<bool> ReadIsEmpty();
  // Reads whatever it is and forgets it.
  absl::Status Check();

 private:
  // False for null; an error for another type than `want`.
  absl::StatusOr<bool> Is(Type want);
  absl::Status ReadNumber(simdjson::ondemand::number& number);
  absl::Status ReadStringWithEscapes(absl::optional<absl::string_view>& out);

  simdjson::ondemand::value value_;
  const JsonPath* path_;
};

// "a boolean", "a list"...
absl::string_view JsonTypeName(JsonValue::Type type);

// A parsed body. Borrows `body`, which stays as it is but for its capacity: at
// least 64 bytes more than its size.
class JsonBody {
 public:
  explicit JsonBody(std::string& body) : body_(body) {}

  // Reads the object from front to back, once. Strings that it hands out live
  // as long as this and the body do. RESOURCE_EXHAUSTED OVERLOADED without
  // memory for it.
  absl::Status ReadFields(JsonValue::FieldVisitor visit);

 private:
  std::string& body_;
  simdjson::ondemand::parser parser_;
};

}  // namespace tandem
