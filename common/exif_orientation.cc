#include "common/exif_orientation.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/file_bytes.h"

namespace tandem {
namespace {

constexpr size_t kEntryBytes = 12;
constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kTypeShort = 3;
constexpr uint32_t kTypeLong = 4;

// Numbers in the byte order that the block chose.
struct TiffNumbers {
  absl::string_view tiff;
  bool big_endian = false;

  uint32_t Load16(size_t offset) const {
    return big_endian ? LoadBig16(tiff, offset) : LoadLittle16(tiff, offset);
  }
  uint32_t Load32(size_t offset) const {
    return big_endian ? LoadBig32(tiff, offset) : LoadLittle32(tiff, offset);
  }
};

}  // namespace

int ReadExifOrientation(absl::string_view exif) {
  const absl::string_view tiff = absl::StripPrefix(exif, BytesOf("Exif\0\0"));
  const bool big_endian = absl::StartsWith(tiff, BytesOf("MM\0*"));
  if (!big_endian && !absl::StartsWith(tiff, BytesOf("II*\0"))) return 1;
  if (tiff.size() < 8) return 1;
  const TiffNumbers numbers{tiff, big_endian};

  const size_t directory = numbers.Load32(4);
  if (directory > tiff.size() || tiff.size() - directory < 2) return 1;
  const size_t room = (tiff.size() - directory - 2) / kEntryBytes;
  const size_t num_entries = numbers.Load16(directory);
  for (size_t i = 0; i < num_entries && i < room; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (numbers.Load16(entry) != kOrientationTag) continue;
    const uint32_t type = numbers.Load16(entry + 2);
    if (type != kTypeShort && type != kTypeLong) return 1;
    const uint32_t value = type == kTypeShort ? numbers.Load16(entry + 8)
                                              : numbers.Load32(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace tandem
