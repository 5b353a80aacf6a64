#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace tandem {

// The printable characters in which vocabulary files write bytes: a byte that
// is printable in Latin-1 stands for itself, the other 68, in order, are
// U+0100, U+0101, ... U+0143. Source: bytes_to_unicode of GPT-2's encoder.py.

// The character of `byte`, as UTF-8.
std::string ByteSymbol(uint8_t byte);

// The bytes that `symbols` writes, or nothing where one of its characters
// stands for no byte. `symbols` must be UTF-8.
absl::optional<std::string> BytesOfSymbols(absl::string_view symbols);

}  // namespace tandem
