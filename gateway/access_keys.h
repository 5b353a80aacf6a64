#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tandem {

// One entry of the keys file: whose key it is and what may be done with it.
// The key itself is nowhere: a file that is read by the wrong eyes lets nobody
// in.
struct ApiKey {
  std::string id = {};                    // for logs; [A-Za-z0-9._-]{1,64}
  std::vector<std::string> digests = {};  // SHA-256 of the key, 32 bytes each
  std::vector<std::string> models = {};   // that it may use; empty: all
  int requests_per_minute = 60;
  int concurrent = 8;  // requests at a time
  std::optional<int> tokens_per_minute = {};
  absl::Time expires = absl::InfiniteFuture();

  // False where `models` does not hold it.
  bool MayUse(absl::string_view model) const;
};

// The keys of a file's text, which is JSON:
//
//   {"keys": [{"id": "team-a", "sha256": "9f86d081...", "models": ["demo"],
//              "requests_per_minute": 60, "concurrent": 8,
//              "tokens_per_minute": 100000,
//              "expires": "2027-01-31T00:00:00Z"}]}
//
// `id` and `sha256` (64 hex digits, or a list of up to 8 while a key is being
// replaced) must be there. At most 1024 entries, ids and digests all different.
// INVALID_ARGUMENT begins with `file` and names the line, or the entry, the
// field and the bound; it never quotes what a key could have been mistaken for.
absl::StatusOr<std::vector<ApiKey>> ParseApiKeys(absl::string_view text,
                                                 const std::string& file);

// The bytes of a keys file. NOT_FOUND, PERMISSION_DENIED, or INVALID_ARGUMENT
// above 1 MiB and for what is no regular file; messages begin with `path`.
absl::StatusOr<std::string> ReadKeysFile(const std::string& path);

// Whether two byte strings of one length are equal, in a time that does not
// depend on where they differ.
bool EqualInConstantTime(absl::string_view a, absl::string_view b);

// The index of the key with this digest; -1 where there is none. Compares with
// every digest of every key, whatever it found: time does not tell which keys
// there are, nor how much of one was right. `equal` is for tests.
int FindApiKey(const std::vector<ApiKey>& keys, absl::string_view digest,
               const std::function<bool(absl::string_view, absl::string_view)>&
                   equal = EqualInConstantTime);

}  // namespace tandem
