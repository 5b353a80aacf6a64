#include "common/image_segments.h"

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/file_bytes.h"

namespace tandem {
namespace {

// Markers without a length and a payload: TEM, RST0 to RST7, SOI, EOI.
bool IsLone(uint8_t marker) {
  return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD9);
}

// Part of a scan: a stuffed FF, a restart.
bool IsInsideScan(uint8_t marker) {
  return marker == 0x00 || (marker >= 0xD0 && marker <= 0xD7);
}

}  // namespace

absl::Status ImageTruncatedError(absl::string_view file,
                                 absl::string_view what) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, reason::kImageTruncated,
      absl::StrCat(what, " ends too soon, after ", file.size(), " bytes"),
      {{"bytes", absl::StrCat(file.size())}});
}

absl::StatusOr<JpegSegment> JpegSegmentReader::Next() {
  uint8_t marker = 0;
  do {
    position_ = file_.find('\xFF', position_);
    if (position_ != file_.npos) {  // any number of FF may stand before a code
      position_ = file_.find_first_not_of('\xFF', position_);
    }
    if (position_ == file_.npos) {
      position_ = file_.size();
      return ImageTruncatedError(file_, "JPEG");
    }
    marker = static_cast<uint8_t>(file_[position_++]);
  } while (IsInsideScan(marker));
  if (IsLone(marker)) return JpegSegment{marker, {}};

  const size_t left = file_.size() - position_;
  const size_t length = left < 2 ? 2 : LoadBig16(file_, position_);
  if (length < 2) {
    return MakeError(absl::StatusCode::kInvalidArgument, reason::kImageInvalid,
                     absl::StrCat("JPEG segment ", absl::Hex(marker),
                                  " has length ", length, ", under 2"),
                     {{"length", absl::StrCat(length)}});
  }
  if (length > left) {
    position_ = file_.size();
    return ImageTruncatedError(file_, "JPEG");
  }
  const JpegSegment segment{marker, file_.substr(position_ + 2, length - 2)};
  position_ += length;
  return segment;
}

absl::StatusOr<PngChunk> PngChunkReader::Next() {
  constexpr size_t kAround = 12;  // length, type, CRC
  const size_t left = file_.size() - position_;
  if (left < kAround || LoadBig32(file_, position_) > left - kAround) {
    return ImageTruncatedError(file_, "PNG");
  }
  const size_t length = LoadBig32(file_, position_);
  PngChunk chunk;
  chunk.checked = file_.substr(position_ + 4, 4 + length);
  chunk.type = chunk.checked.substr(0, 4);
  chunk.data = chunk.checked.substr(4);
  chunk.crc = LoadBig32(file_, position_ + 8 + length);
  position_ += kAround + length;
  return chunk;
}

absl::StatusOr<RiffChunk> RiffChunkReader::Next() {
  const size_t left = file_.size() - position_;
  if (left < 8 || LoadLittle32(file_, position_ + 4) > left - 8) {
    return ImageTruncatedError(file_, "WebP");
  }
  const size_t length = LoadLittle32(file_, position_ + 4);
  const RiffChunk chunk{file_.substr(position_, 4),
                        file_.substr(position_ + 8, length)};
  // Padded to an even length; the last pad byte may be missing.
  position_ += 8 + length;
  if (length % 2 == 1 && position_ < file_.size()) ++position_;
  return chunk;
}

}  // namespace tandem
