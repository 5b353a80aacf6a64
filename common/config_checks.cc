#include "common/config_checks.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace tandem {

absl::Status ExpectString(const JsonObject& object, absl::string_view key,
                          absl::string_view wanted) {
  std::string value(wanted);
  TANDEM_RETURN_IF_ERROR(object.ReadString(key, value));
  if (value == wanted) return absl::OkStatus();
  return object.Error(
      key, absl::StrCat("is \"", value, "\"; supported is \"", wanted, "\""));
}

absl::Status ExpectBool(const JsonObject& object, absl::string_view key,
                        bool wanted) {
  bool value = wanted;
  TANDEM_RETURN_IF_ERROR(object.ReadBool(key, value));
  if (value == wanted) return absl::OkStatus();
  return object.Error(key, absl::StrCat("is ", value ? "true" : "false",
                                        ", which is not supported"));
}

absl::Status ExpectInt(const JsonObject& object, absl::string_view key,
                       int wanted) {
  int value = wanted;
  TANDEM_RETURN_IF_ERROR(object.ReadInt(key, INT32_MIN, INT32_MAX, value));
  if (value == wanted) return absl::OkStatus();
  return object.Error(key,
                      absl::StrCat("is ", value, "; supported is ", wanted));
}

absl::Status ExpectMissing(const JsonObject& object, absl::string_view key) {
  if (object.Find(key) == nullptr) return absl::OkStatus();
  return object.Error(key, "is present, which is not supported");
}

absl::Status ReadSide(const JsonObject& object, absl::string_view key, int max,
                      int& out) {
  std::vector<int> sides;
  TANDEM_RETURN_IF_ERROR(object.ReadInts(key, 1, max, sides));
  if (object.Find(key) == nullptr) return absl::OkStatus();
  if (sides.empty() || sides.size() > 2 || sides.front() != sides.back()) {
    return object.Error(key, "is no square");
  }
  out = sides.front();
  return absl::OkStatus();
}

absl::Status ReadFloat(const JsonObject& object, absl::string_view key,
                       double min, double max, float& out) {
  double value = out;
  TANDEM_RETURN_IF_ERROR(object.ReadNumber(key, min, max, value));
  out = static_cast<float>(value);
  return absl::OkStatus();
}

absl::Status CheckDivides(const JsonObject& object, absl::string_view part,
                          int divisor, absl::string_view whole, int value) {
  if (value % divisor == 0) return absl::OkStatus();
  return object.Error(
      part, absl::StrCat("is ", divisor, ", which does not divide ", whole, " ",
                         value));
}

}  // namespace tandem
