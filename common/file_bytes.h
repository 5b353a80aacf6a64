#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace tandem {

// A literal with NULs in it: absl::string_view alone would end at the first.
template <size_t kSize>
constexpr absl::string_view BytesOf(const char (&literal)[kSize]) {
  return absl::string_view(literal, kSize - 1);
}

// Unsigned integers in file formats, at `offset` of `bytes`. Whoever calls has
// checked that they lie inside.

inline uint32_t LoadByte(absl::string_view bytes, size_t offset) {
  return static_cast<uint8_t>(bytes[offset]);
}
inline uint32_t LoadBig16(absl::string_view bytes, size_t offset) {
  return LoadByte(bytes, offset) << 8 | LoadByte(bytes, offset + 1);
}
inline uint32_t LoadBig32(absl::string_view bytes, size_t offset) {
  return LoadBig16(bytes, offset) << 16 | LoadBig16(bytes, offset + 2);
}
inline uint32_t LoadLittle16(absl::string_view bytes, size_t offset) {
  return LoadByte(bytes, offset) | LoadByte(bytes, offset + 1) << 8;
}
inline uint32_t LoadLittle24(absl::string_view bytes, size_t offset) {
  return LoadLittle16(bytes, offset) | LoadByte(bytes, offset + 2) << 16;
}
inline uint32_t LoadLittle32(absl::string_view bytes, size_t offset) {
  return LoadLittle16(bytes, offset) | LoadLittle16(bytes, offset + 2) << 16;
}

}  // namespace tandem
