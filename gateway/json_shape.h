#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tandem {

struct JsonBounds {
  int max_depth = 32;  // objects and lists in each other, the outermost counted
  // Braces, brackets, colons, commas, strings and other scalars. The parser
  // keeps 4 bytes for each.
  size_t max_tokens = size_t{1} << 20;
};

// Whether `body` has the shape of one JSON object within bounds: brackets that
// match, strings that end, nothing after it. Values are not looked at: the
// parser, which skips what nobody asks for, judges those later. Strings are
// passed over by memchr.
//
// INVALID_ARGUMENT FIELD_INVALID, without a field, naming the byte where the
// shape breaks. Thread-safe.
absl::Status CheckJsonShape(absl::string_view body,
                            const JsonBounds& bounds = {});

// INVALID_ARGUMENT FIELD_INVALID without a field: "the body is not one JSON
// object: <why>".
absl::Status NotJson(absl::string_view why);

}  // namespace tandem
