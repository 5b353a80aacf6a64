#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tandem {

// The segments that image files are made of, one after the other, without
// looking into them. Every view points into the file. The readers never read
// past it; where it ends inside a segment, or before one more, Next() is
// INVALID_ARGUMENT IMAGE_TRUNCATED and says where. Not thread-safe.
// REQUIRES a file that begins with its format's signature (SniffImageFormat).

// JPEG, ITU-T T.81 annex B. Marker codes without their leading FF.
namespace jpeg {
inline constexpr uint8_t kStartOfImage = 0xD8;
inline constexpr uint8_t kEndOfImage = 0xD9;
inline constexpr uint8_t kStartOfScan = 0xDA;
inline constexpr uint8_t kApp1 = 0xE1;
}  // namespace jpeg

struct JpegSegment {
  uint8_t marker = 0;
  absl::string_view payload;  // without its length; empty for a lone marker
};

// Marker segments after the start of image. What is no marker is skipped, as
// decoders do: the entropy-coded data of a scan, its restart markers, garbage.
class JpegSegmentReader {
 public:
  explicit JpegSegmentReader(absl::string_view file) : file_(file) {}
  absl::StatusOr<JpegSegment> Next();

 private:
  const absl::string_view file_;
  size_t position_ = 2;
};

inline constexpr absl::string_view kPngSignature = "\x89PNG\r\n\x1A\n";

struct PngChunk {
  absl::string_view type;  // four letters
  absl::string_view data;
  absl::string_view checked;  // type and data, what the CRC covers
  uint32_t crc = 0;           // as the file says
};

// Chunks after the signature. PNG (third edition), 5.3.
class PngChunkReader {
 public:
  explicit PngChunkReader(absl::string_view file) : file_(file) {}
  absl::StatusOr<PngChunk> Next();

 private:
  const absl::string_view file_;
  size_t position_ = kPngSignature.size();
};

struct RiffChunk {
  absl::string_view type;  // four characters
  absl::string_view data;
};

// Chunks after the twelve bytes of a RIFF header; RFC 9649, 2.3.
class RiffChunkReader {
 public:
  explicit RiffChunkReader(absl::string_view file) : file_(file) {}
  absl::StatusOr<RiffChunk> Next();

 private:
  const absl::string_view file_;
  size_t position_ = 12;
};

// INVALID_ARGUMENT IMAGE_TRUNCATED: "`what` ends after N bytes".
absl::Status ImageTruncatedError(absl::string_view file,
                                 absl::string_view what);

}  // namespace tandem
