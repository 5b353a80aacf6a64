#include "vision_service/bmp_decoder.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "common/errors.h"
#include "common/file_bytes.h"
#include "common/image_segments.h"
#include "common/status_macros.h"
#include "vision_service/bmp_run_length.h"

namespace tandem {
namespace {

constexpr size_t kFileHeaderBytes = 14;
constexpr uint32_t kCoreHeaderBytes = 12;
constexpr uint32_t kInfoHeaderBytes = 40;
constexpr size_t kMaskBytes = 12;  // red, green and blue

enum Compression : uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

struct Rgb {
  uint8_t red = 0, green = 0, blue = 0;
};
// Indices beyond the file's own colours are black.
using Palette = std::array<Rgb, 256>;

struct BmpInfo {
  uint32_t header_bytes = 0;
  uint32_t bits = 0;  // of a pixel
  uint32_t compression = kRaw;
  uint32_t num_colors = 0;   // of the palette; 0 above 8 bits
  size_t pixels_offset = 0;  // in the file
  bool top_down = false;
  uint32_t red_mask = 0, green_mask = 0, blue_mask = 0;

  size_t color_bytes() const {
    return header_bytes == kCoreHeaderBytes ? 3 : 4;
  }
  size_t palette_bytes() const { return color_bytes() * num_colors; }
  size_t row_bits(const ImageHeader& header) const {
    return static_cast<size_t>(header.width) * bits;
  }
  // Rows are padded to four bytes.
  size_t stride(const ImageHeader& header) const {
    return (row_bits(header) + 31) / 32 * 4;
  }
};

absl::Status UnsupportedError(absl::string_view name, uint32_t value) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   reason::kImageUnsupportedFormat,
                   absl::StrCat("BMP ", name, " ", value, " is not supported"),
                   {{std::string(name), absl::StrCat(value)}});
}

absl::Status CheckSupported(const BmpInfo& info) {
  constexpr uint32_t kDepths[] = {1, 4, 8, 16, 24, 32};
  if (std::find(std::begin(kDepths), std::end(kDepths), info.bits) ==
      std::end(kDepths)) {
    return UnsupportedError("depth", info.bits);
  }
  const bool fits = info.compression == kRaw ||
                    (info.compression == kRle8 && info.bits == 8) ||
                    (info.compression == kRle4 && info.bits == 4) ||
                    (info.compression == kBitFields && info.bits >= 16);
  return fits ? absl::OkStatus()
              : UnsupportedError("compression", info.compression);
}

// The masks follow a header of 40 bytes and are part of longer ones: the same
// place in the file.
absl::Status ReadMasks(absl::string_view file, BmpInfo& info) {
  constexpr size_t kMasks = kFileHeaderBytes + kInfoHeaderBytes;
  if (file.size() < kMasks + kMaskBytes)
    return ImageTruncatedError(file, "BMP");
  info.red_mask = LoadLittle32(file, kMasks);
  info.green_mask = LoadLittle32(file, kMasks + 4);
  info.blue_mask = LoadLittle32(file, kMasks + 8);
  return absl::OkStatus();
}

// Mends what some writers say about where the pixels begin: nothing, or right
// after the header where the palette is.
void PlacePixels(BmpInfo& info) {
  const size_t header_end = kFileHeaderBytes + info.header_bytes;
  if (info.pixels_offset == 0) {
    const bool masks_follow =
        info.compression == kBitFields && info.header_bytes == kInfoHeaderBytes;
    info.pixels_offset =
        header_end + (masks_follow ? kMaskBytes : 0) + info.palette_bytes();
  } else if (info.pixels_offset == header_end) {
    info.pixels_offset += size_t{4} * info.num_colors;
  }
}

absl::StatusOr<BmpInfo> ReadInfo(absl::string_view file) {
  constexpr size_t kInfo = kFileHeaderBytes;
  BmpInfo info;
  info.header_bytes = LoadLittle32(file, kInfo);
  info.pixels_offset = LoadLittle32(file, 10);
  if (info.header_bytes == kCoreHeaderBytes) {
    info.bits = LoadLittle16(file, kInfo + 10);
  } else {
    info.top_down = LoadByte(file, kInfo + 11) >= 0x80;
    info.bits = LoadLittle16(file, kInfo + 14);
    info.compression = LoadLittle32(file, kInfo + 16);
    info.num_colors = LoadLittle32(file, kInfo + 32);
  }
  TANDEM_RETURN_IF_ERROR(CheckSupported(info));
  if (info.compression == kBitFields) {
    TANDEM_RETURN_IF_ERROR(ReadMasks(file, info));
  }
  if (info.bits > 8) {
    info.num_colors = 0;
  } else if (info.num_colors == 0) {
    info.num_colors = 1u << info.bits;
  }
  if (info.num_colors > 65536) {
    return UnsupportedError("palette size", info.num_colors);
  }
  PlacePixels(info);
  return info;
}

absl::StatusOr<Palette> ReadPalette(absl::string_view file,
                                    const BmpInfo& info) {
  const size_t start = kFileHeaderBytes + info.header_bytes;
  Palette palette;
  const size_t num_colors = std::min<size_t>(info.num_colors, palette.size());
  if (file.size() - start < num_colors * info.color_bytes()) {
    return ImageTruncatedError(file, "BMP palette");
  }
  for (size_t i = 0; i < num_colors; ++i) {
    const size_t entry = start + i * info.color_bytes();
    palette[i].blue = LoadByte(file, entry);
    palette[i].green = LoadByte(file, entry + 1);
    palette[i].red = LoadByte(file, entry + 2);
  }
  return palette;
}

// Palette indices of one row, several to a byte, the first in the high bits.
void UnpackIndices(absl::string_view row, uint32_t bits, const Palette& palette,
                   int width, uint8_t* out) {
  for (int x = 0; x < width; ++x, out += 3) {
    const size_t bit = static_cast<size_t>(x) * bits;
    const uint32_t byte = LoadByte(row, bit / 8);
    const uint32_t index = byte >> (8 - bits - bit % 8) & ((1u << bits) - 1);
    const Rgb color = palette[index];
    out[0] = color.red;
    out[1] = color.green;
    out[2] = color.blue;
  }
}

// 5 bits each; or 5, 6, 5.
void Unpack16(absl::string_view row, bool six_green_bits, int width,
              uint8_t* out) {
  const uint32_t green_max = six_green_bits ? 63 : 31;
  const int red_shift = six_green_bits ? 11 : 10;
  for (int x = 0; x < width; ++x, out += 3) {
    const uint32_t pixel = LoadLittle16(row, static_cast<size_t>(x) * 2);
    out[0] = (pixel >> red_shift & 31) * 255 / 31;
    out[1] = (pixel >> 5 & green_max) * 255 / green_max;
    out[2] = (pixel & 31) * 255 / 31;
  }
}

// Where a pixel's red, green and blue byte lie.
struct ByteOrder {
  int red = 2, green = 1, blue = 0;
};

void UnpackBytes(absl::string_view row, int pixel_bytes, ByteOrder order,
                 int width, uint8_t* out) {
  const auto* pixel = reinterpret_cast<const uint8_t*>(row.data());
  for (int x = 0; x < width; ++x, out += 3, pixel += pixel_bytes) {
    out[0] = pixel[order.red];
    out[1] = pixel[order.green];
    out[2] = pixel[order.blue];
  }
}

// A mask of one whole byte: its number, from the lowest.
absl::optional<int> WholeByte(uint32_t mask) {
  for (int byte = 0; byte < 4; ++byte) {
    if (mask == 0xFFu << (8 * byte)) return byte;
  }
  return absl::nullopt;
}

absl::Status UnsupportedMasks(const BmpInfo& info) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, reason::kImageUnsupportedFormat,
      absl::StrCat("BMP bit fields ", absl::Hex(info.red_mask), ", ",
                   absl::Hex(info.green_mask), ", ", absl::Hex(info.blue_mask),
                   " of ", info.bits, " bits are not supported"));
}

absl::StatusOr<ByteOrder> OrderOf(const BmpInfo& info) {
  const bool no_masks =
      info.red_mask == 0 && info.green_mask == 0 && info.blue_mask == 0;
  if (info.compression == kRaw || (no_masks && info.bits == 32)) {
    return ByteOrder{};
  }
  const auto red = WholeByte(info.red_mask);
  const auto green = WholeByte(info.green_mask);
  const auto blue = WholeByte(info.blue_mask);
  const int bytes = static_cast<int>(info.bits / 8);
  if (!red || !green || !blue || std::max({*red, *green, *blue}) >= bytes) {
    return UnsupportedMasks(info);
  }
  return ByteOrder{*red, *green, *blue};
}

absl::StatusOr<bool> HasSixGreenBits(const BmpInfo& info) {
  const std::array<uint32_t, 3> masks = {info.red_mask, info.green_mask,
                                         info.blue_mask};
  constexpr std::array<uint32_t, 3> k565 = {0xF800, 0x7E0, 0x1F};
  constexpr std::array<uint32_t, 3> k555 = {0x7C00, 0x3E0, 0x1F};
  if (info.compression == kRaw || masks == k555) return false;
  if (masks == k565) return true;
  return UnsupportedMasks(info);
}

// Calls unpack(row, out) for every row; the rows in `pixels` are `stride`
// apart.
template <typename Unpack>
RgbImage UnpackRows(absl::string_view pixels, size_t stride, bool top_down,
                    const ImageHeader& header, const Unpack& unpack) {
  RgbImage image = MakeRgbImage(header.width, header.height);
  for (int i = 0; i < header.height; ++i) {
    const int y = top_down ? i : header.height - 1 - i;
    unpack(pixels.substr(i * stride, stride), image.row(y));
  }
  return image;
}

// From the first pixel on. The padding of the last row may be missing.
absl::StatusOr<absl::string_view> PixelsOf(absl::string_view file,
                                           const BmpInfo& info,
                                           const ImageHeader& header) {
  if (info.pixels_offset > file.size()) return ImageTruncatedError(file, "BMP");
  const absl::string_view pixels = file.substr(info.pixels_offset);
  const bool run_lengths =
      info.compression == kRle8 || info.compression == kRle4;
  const size_t needed = (header.height - 1) * info.stride(header) +
                        (info.row_bits(header) + 7) / 8;
  if (!run_lengths && pixels.size() < needed) {
    return ImageTruncatedError(file, "BMP");
  }
  return pixels;
}

absl::StatusOr<RgbImage> DecodeIndexed(absl::string_view file,
                                       absl::string_view pixels,
                                       const BmpInfo& info,
                                       const ImageHeader& header) {
  TANDEM_ASSIGN_OR_RETURN(const Palette palette, ReadPalette(file, info));
  const auto unpack = [&](uint32_t bits) {
    return [&palette, &header, bits](absl::string_view row, uint8_t* out) {
      UnpackIndices(row, bits, palette, header.width, out);
    };
  };
  if (info.compression == kRaw) {
    return UnpackRows(pixels, info.stride(header), info.top_down, header,
                      unpack(info.bits));
  }
  const std::string indices =
      ExpandBmpRunLengths(pixels, header.width, header.height,
                          /*four_bits=*/info.compression == kRle4);
  if (indices.size() < static_cast<size_t>(header.width) * header.height) {
    return ImageTruncatedError(file, "BMP");
  }
  return UnpackRows(indices, header.width, info.top_down, header,
                    unpack(/*bits=*/8));
}

}  // namespace

absl::StatusOr<RgbImage> DecodeBmp(absl::string_view file,
                                   const ImageHeader& header) {
  TANDEM_ASSIGN_OR_RETURN(const BmpInfo info, ReadInfo(file));
  TANDEM_ASSIGN_OR_RETURN(const absl::string_view pixels,
                          PixelsOf(file, info, header));
  if (info.bits <= 8) return DecodeIndexed(file, pixels, info, header);
  const size_t stride = info.stride(header);
  if (info.bits == 16) {
    TANDEM_ASSIGN_OR_RETURN(const bool six_green_bits, HasSixGreenBits(info));
    return UnpackRows(pixels, stride, info.top_down, header,
                      [&](absl::string_view row, uint8_t* out) {
                        Unpack16(row, six_green_bits, header.width, out);
                      });
  }
  TANDEM_ASSIGN_OR_RETURN(const ByteOrder order, OrderOf(info));
  const int pixel_bytes = static_cast<int>(info.bits / 8);
  return UnpackRows(pixels, stride, info.top_down, header,
                    [&](absl::string_view row, uint8_t* out) {
                      UnpackBytes(row, pixel_bytes, order, header.width, out);
                    });
}

}  // namespace tandem
