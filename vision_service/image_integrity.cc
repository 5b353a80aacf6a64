#include "vision_service/image_integrity.h"

#include <zlib.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/file_bytes.h"
#include "common/image_segments.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

absl::Status InvalidError(absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason::kImageInvalid,
                   message);
}

absl::Status CheckJpeg(absl::string_view file) {
  JpegSegmentReader segments(file);
  int num_scans = 0;
  while (true) {
    TANDEM_ASSIGN_OR_RETURN(const JpegSegment segment, segments.Next());
    if (segment.marker == jpeg::kEndOfImage) return absl::OkStatus();
    if (segment.marker == jpeg::kStartOfScan && ++num_scans > kMaxJpegScans) {
      return InvalidError(
          absl::StrCat("JPEG has more than ", kMaxJpegScans, " scans"));
    }
  }
}

absl::Status CheckPng(absl::string_view file) {
  PngChunkReader chunks(file);
  bool has_pixels = false;
  while (true) {
    TANDEM_ASSIGN_OR_RETURN(const PngChunk chunk, chunks.Next());
    const auto crc = static_cast<uint32_t>(
        crc32_z(0, reinterpret_cast<const Bytef*>(chunk.checked.data()),
                chunk.checked.size()));
    if (crc != chunk.crc) {
      return InvalidError(
          absl::StrCat("PNG chunk ", absl::CHexEscape(chunk.type), " at byte ",
                       chunk.checked.data() - file.data() - 4, ": CRC is ",
                       absl::Hex(crc, absl::kZeroPad8), ", the file says ",
                       absl::Hex(chunk.crc, absl::kZeroPad8)));
    }
    if (chunk.type == "IDAT") has_pixels = true;
    if (chunk.type != "IEND") continue;
    return has_pixels ? absl::OkStatus()
                      : InvalidError("PNG has no IDAT chunk, no pixels");
  }
}

absl::Status CheckWebp(absl::string_view file) {
  const uint64_t announced = uint64_t{LoadLittle32(file, 4)} + 8;
  if (file.size() >= announced) return absl::OkStatus();
  return ImageTruncatedError(file,
                             absl::StrCat("WebP of ", announced, " bytes"));
}

}  // namespace

absl::Status CheckImageIsWhole(absl::string_view file, ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return CheckJpeg(file);
    case ImageFormat::kPng:
      return CheckPng(file);
    case ImageFormat::kWebp:
      return CheckWebp(file);
    case ImageFormat::kBmp:
      return absl::OkStatus();
  }
  return InvalidError("unknown format");
}

}  // namespace tandem
