#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tandem {

// Base64 of RFC 4648 section 4: A-Z a-z 0-9 + /. Padding is complete ("QQ==")
// or left out ("QQ"); anything between is an error, as is every other
// character: white space, the URL-safe alphabet, '=' in the middle. The bits
// that a last group has too many (four of "QR==", two of "QUJ=") are ignored,
// as Python's base64 and a browser's atob do: several texts may mean the same
// bytes, so compare bytes and never texts.

// Bytes that `text` means if all of its characters are right, told by its
// length and padding alone. INVALID_ARGUMENT for a length that no text has.
absl::StatusOr<size_t> Base64DecodedBytes(absl::string_view text);

// Sets `out`, whose capacity is used again, to the bytes that `text` means.
// INVALID_ARGUMENT naming the byte and where it is; `out` is empty then. 24
// bytes at a time where the processor has AVX2. Thread-safe.
//
// Source: Wojciech Mula, Daniel Lemire, "Faster Base64 Encoding and Decoding
// using AVX2 Instructions", arXiv:1704.00605, section 5 and 6.
absl::Status DecodeBase64(absl::string_view text, std::string& out);

// The same a character at a time, by a table: the reference, and what other
// processors use.
absl::Status DecodeBase64ByTable(absl::string_view text, std::string& out);

}  // namespace tandem
