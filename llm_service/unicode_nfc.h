#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tandem {

// `text`, valid UTF-8, in Unicode normalization form C. The result is `text`
// itself where nothing changes, else a view of `storage`. O(n log n) for
// whatever a client may send. INTERNAL where ICU fails. Thread-safe.
// Source: Unicode Standard Annex #15 with the data of Unicode 9, as in the
// `tokenizers` library: a combining mark that came later stays where it is.
absl::StatusOr<absl::string_view> NormalizeNfc(absl::string_view text,
                                               std::string& storage);

}  // namespace tandem
