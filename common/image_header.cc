#include "common/image_header.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/exif_orientation.h"
#include "common/file_bytes.h"
#include "common/image_segments.h"
#include "common/image_signature.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

// As the file says, before anyone has judged it.
struct RawHeader {
  int64_t width = 0;
  int64_t height = 0;
  int orientation = 1;
};

absl::Status InvalidError(absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason::kImageInvalid,
                   message);
}

absl::Status UnsupportedError(absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   reason::kImageUnsupportedFormat, message);
}

// Start of frame, of any coding process: C0 to CF without DHT, JPG and DAC.
bool IsStartOfFrame(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 &&
         marker != 0xCC;
}

// T.81 B.2.2: precision, lines, samples per line, components.
absl::Status ReadJpegFrame(const JpegSegment& frame, RawHeader& header) {
  if (frame.payload.size() < 6) {
    return InvalidError(absl::StrCat("JPEG frame header has ",
                                     frame.payload.size(), " bytes, under 6"));
  }
  // Sequential and progressive DCT, Huffman or arithmetic coding.
  constexpr uint8_t kDecodable[] = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA};
  if (std::find(std::begin(kDecodable), std::end(kDecodable), frame.marker) ==
      std::end(kDecodable)) {
    return UnsupportedError(
        absl::StrCat("JPEG coding process ", frame.marker - 0xC0,
                     " (lossless or hierarchical) is not supported"));
  }
  const uint32_t bits = LoadByte(frame.payload, 0);
  if (bits != 8) {
    return UnsupportedError(
        absl::StrCat("JPEG of ", bits, " bits a sample is not supported"));
  }
  const uint32_t components = LoadByte(frame.payload, 5);
  if (components != 1 && components != 3 && components != 4) {
    return UnsupportedError(
        absl::StrCat("JPEG of ", components, " components is not supported"));
  }
  header.height = LoadBig16(frame.payload, 1);
  header.width = LoadBig16(frame.payload, 3);
  return absl::OkStatus();
}

// Everything before the first scan: the Exif block may follow the frame header.
absl::StatusOr<RawHeader> ReadJpeg(absl::string_view file) {
  RawHeader header;
  bool has_frame = false;
  bool has_exif = false;
  JpegSegmentReader segments(file);
  while (true) {
    TANDEM_ASSIGN_OR_RETURN(const JpegSegment segment, segments.Next());
    if (IsStartOfFrame(segment.marker)) {
      TANDEM_RETURN_IF_ERROR(ReadJpegFrame(segment, header));
      has_frame = true;
    } else if (segment.marker == jpeg::kApp1 && !has_exif &&
               absl::StartsWith(segment.payload, BytesOf("Exif\0\0"))) {
      header.orientation = ReadExifOrientation(segment.payload);
      has_exif = true;
    } else if (segment.marker == jpeg::kStartOfScan ||
               segment.marker == jpeg::kEndOfImage) {
      if (has_frame) return header;
      return InvalidError("JPEG has no frame header before its first scan");
    }
  }
}

// The Exif chunk may stand anywhere before IEND. A file that is cut after its
// header still has a size: DecodeImage refuses it.
int FindPngOrientation(PngChunkReader chunks) {
  for (auto chunk = chunks.Next(); chunk.ok() && chunk->type != "IEND";
       chunk = chunks.Next()) {
    if (chunk->type == "eXIf") return ReadExifOrientation(chunk->data);
  }
  return 1;
}

absl::StatusOr<RawHeader> ReadPng(absl::string_view file) {
  PngChunkReader chunks(file);
  TANDEM_ASSIGN_OR_RETURN(const PngChunk chunk, chunks.Next());
  if (chunk.type != "IHDR" || chunk.data.size() != 13) {
    return InvalidError("PNG does not begin with an IHDR chunk of 13 bytes");
  }
  return RawHeader{LoadBig32(chunk.data, 0), LoadBig32(chunk.data, 4),
                   FindPngOrientation(chunks)};
}

int FindWebpOrientation(RiffChunkReader chunks) {
  for (auto chunk = chunks.Next(); chunk.ok(); chunk = chunks.Next()) {
    if (chunk->type == "EXIF") return ReadExifOrientation(chunk->data);
  }
  return 1;
}

// RFC 9649: the extended header, else the bitstream's own (RFC 6386 9.1 for
// VP8; RFC 9649 3.4 for VP8L). The first chunk need not be whole.
absl::StatusOr<RawHeader> ReadWebp(absl::string_view file) {
  constexpr size_t kChunkStart = 12;
  constexpr size_t kDataStart = kChunkStart + 8;
  if (file.size() < kDataStart + 10) return ImageTruncatedError(file, "WebP");
  const absl::string_view type = file.substr(kChunkStart, 4);
  const absl::string_view data = file.substr(kDataStart);
  if (type == "VP8X") {
    return RawHeader{int64_t{LoadLittle24(data, 4)} + 1,
                     int64_t{LoadLittle24(data, 7)} + 1,
                     FindWebpOrientation(RiffChunkReader(file))};
  }
  if (type == "VP8L") {
    if (LoadByte(data, 0) != 0x2F) {
      return InvalidError("WebP: the lossless signature 2f is missing");
    }
    const uint32_t bits = LoadLittle32(data, 1);
    return RawHeader{(bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1};
  }
  if (type == "VP8 ") {
    if (data.substr(3, 3) != "\x9D\x01\x2A") {
      return InvalidError("WebP: the VP8 start code 9d012a is missing");
    }
    return RawHeader{LoadLittle16(data, 6) & 0x3FFF,
                     LoadLittle16(data, 8) & 0x3FFF};
  }
  return InvalidError("WebP does not begin with VP8, VP8L or VP8X");
}

// A file header of 14 bytes, then an information header that begins with its
// own size and has grown over the years. A negative height is stored top-down.
absl::StatusOr<RawHeader> ReadBmp(absl::string_view file) {
  constexpr size_t kInfo = 14;
  constexpr uint32_t kCoreHeader = 12;
  constexpr uint32_t kInfoHeaders[] = {40, 52, 56, 64, 108, 124};
  if (file.size() < kInfo + 4) return ImageTruncatedError(file, "BMP");
  const uint32_t header_size = LoadLittle32(file, kInfo);
  const bool known = header_size == kCoreHeader ||
                     std::find(std::begin(kInfoHeaders), std::end(kInfoHeaders),
                               header_size) != std::end(kInfoHeaders);
  if (!known) {
    return UnsupportedError(absl::StrCat("BMP with a header of ", header_size,
                                         " bytes is not supported"));
  }
  if (file.size() - kInfo < header_size)
    return ImageTruncatedError(file, "BMP");
  if (header_size == kCoreHeader) {
    return RawHeader{LoadLittle16(file, kInfo + 4),
                     LoadLittle16(file, kInfo + 6)};
  }
  const auto width = static_cast<int32_t>(LoadLittle32(file, kInfo + 4));
  const auto height = static_cast<int32_t>(LoadLittle32(file, kInfo + 8));
  return RawHeader{width, height < 0 ? -int64_t{height} : height};
}

absl::StatusOr<RawHeader> ReadRawHeader(absl::string_view file,
                                        ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return ReadJpeg(file);
    case ImageFormat::kPng:
      return ReadPng(file);
    case ImageFormat::kWebp:
      return ReadWebp(file);
    case ImageFormat::kBmp:
      return ReadBmp(file);
  }
  return InvalidError("unknown format");
}

absl::Status CheckBound(absl::string_view name, int64_t value, int64_t bound) {
  if (value <= bound) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kInvalidArgument, reason::kImageTooLarge,
      absl::StrCat("image ", name, " ", value, " is above ", bound),
      {{std::string(name), absl::StrCat(value)},
       {absl::StrCat("max_", name), absl::StrCat(bound)}});
}

absl::Status CheckSize(const RawHeader& header, const ImageLimits& limits) {
  if (header.width < 1 || header.height < 1) {
    return MakeError(absl::StatusCode::kInvalidArgument, reason::kImageInvalid,
                     absl::StrCat("image size ", header.width, "x",
                                  header.height, " is not positive"),
                     {{"width", absl::StrCat(header.width)},
                      {"height", absl::StrCat(header.height)}});
  }
  TANDEM_RETURN_IF_ERROR(CheckBound(
      "side", std::max(header.width, header.height), limits.max_side));
  // Sides are below 2^32 and, since the line above, within an int.
  return CheckBound("pixels", header.width * header.height, limits.max_pixels);
}

}  // namespace

absl::string_view ImageFormatName(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "jpeg";
    case ImageFormat::kPng:
      return "png";
    case ImageFormat::kWebp:
      return "webp";
    case ImageFormat::kBmp:
      return "bmp";
  }
  return "unknown";
}

absl::Status CheckImageBytes(int64_t bytes, const ImageLimits& limits) {
  return CheckBound("bytes", bytes, limits.max_bytes);
}

absl::StatusOr<ImageHeader> ReadImageHeader(absl::string_view file,
                                            const ImageLimits& limits) {
  TANDEM_RETURN_IF_ERROR(
      CheckImageBytes(static_cast<int64_t>(file.size()), limits));
  TANDEM_ASSIGN_OR_RETURN(const ImageFormat format, SniffImageFormat(file));
  TANDEM_ASSIGN_OR_RETURN(const RawHeader header, ReadRawHeader(file, format));
  TANDEM_RETURN_IF_ERROR(CheckSize(header, limits));
  return ImageHeader{format, static_cast<int>(header.width),
                     static_cast<int>(header.height), header.orientation};
}

}  // namespace tandem
