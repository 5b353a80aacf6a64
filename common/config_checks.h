#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/json_file.h"

namespace tandem {

// Keys whose only supported value is `wanted`; missing or null counts as it.
// INVALID_ARGUMENT naming file, key and both values otherwise.
absl::Status ExpectString(const JsonObject& object, absl::string_view key,
                          absl::string_view wanted);
absl::Status ExpectBool(const JsonObject& object, absl::string_view key,
                        bool wanted);
absl::Status ExpectInt(const JsonObject& object, absl::string_view key,
                       int wanted);
// Keys that must be missing or null.
absl::Status ExpectMissing(const JsonObject& object, absl::string_view key);

// A square's side in [1, max]: one integer, or a list of two that are equal.
absl::Status ReadSide(const JsonObject& object, absl::string_view key, int max,
                      int& out);
absl::Status ReadFloat(const JsonObject& object, absl::string_view key,
                       double min, double max, float& out);

// INVALID_ARGUMENT at the key `part` unless `divisor`, its value, divides
// `value`, which is called `whole`.
absl::Status CheckDivides(const JsonObject& object, absl::string_view part,
                          int divisor, absl::string_view whole, int value);

}  // namespace tandem
