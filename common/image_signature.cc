#include "common/image_signature.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/file_bytes.h"
#include "common/image_segments.h"

namespace tandem {
namespace {

struct Signature {
  absl::string_view name;
  absl::string_view magic;
  size_t offset = 0;
};

constexpr absl::string_view kJpegMagic = "\xFF\xD8\xFF";
constexpr size_t kRiffHeaderBytes = 12;

// Formats that people send and that are not decoded here. The first match
// counts: the special before the general.
constexpr Signature kForeign[] = {
    {"GIF", "GIF87a"},
    {"GIF", "GIF89a"},
    {"AVIF", "ftypavif", 4},
    {"AVIF", "ftypavis", 4},
    {"HEIC", "ftyphei", 4},
    {"HEIC", "ftyphev", 4},
    {"HEIF", "ftypmif1", 4},
    {"HEIF", "ftypmsf1", 4},
    {"MP4 or QuickTime", "ftyp", 4},
    {"TIFF", BytesOf("II*\0")},
    {"TIFF", BytesOf("MM\0*")},
    {"BigTIFF", BytesOf("II+\0")},
    {"BigTIFF", BytesOf("MM\0+")},
    {"JPEG 2000", BytesOf("\0\0\0\x0CjP  ")},
    {"JPEG 2000", "\xFF\x4F\xFF\x51"},
    {"JPEG XL", BytesOf("\0\0\0\x0CJXL ")},
    {"JPEG XL", "\xFF\x0A"},
    {"JPEG XR", "II\xBC"},
    {"PDF", "%PDF-"},
    {"PostScript", "%!PS"},
    {"SVG", "<svg"},
    {"XML (SVG?)", "<?xml"},
    {"HTML", "<!doctype html"},
    {"HTML", "<html"},
    {"Photoshop", "8BPS"},
    {"icon", BytesOf("\0\0\1\0")},
    {"cursor", BytesOf("\0\0\2\0")},
    {"OpenEXR", "v/1\1"},
    {"Radiance HDR", "#?R"},
    {"DDS", "DDS "},
    {"QOI", "qoif"},
    {"DICOM", "DICM", 128},
    {"AVI", "AVI ", 8},
    {"WAV", "WAVE", 8},
    {"Matroska or WebM", "\x1A\x45\xDF\xA3"},
    {"ZIP", "PK\3\4"},
    {"gzip", "\x1F\x8B"},
    {"Git LFS pointer", "version https://git-lfs"},
    {"data URL", "data:"},
    {"base64 text (of a JPEG)", "/9j/"},
    {"base64 text (of a PNG)", "iVBORw0KGgo"},
    {"base64 text (of a WebP)", "UklGR"},
    {"PNM", "P1\n"},
    {"PNM", "P2\n"},
    {"PNM", "P3\n"},
    {"PNM", "P4\n"},
    {"PNM", "P5\n"},
    {"PNM", "P6\n"},
    {"PAM", "P7\n"},
};

bool HasMagic(absl::string_view file, const Signature& signature) {
  return signature.offset <= file.size() &&
         absl::StartsWithIgnoreCase(file.substr(signature.offset),
                                    signature.magic);
}

bool IsRiffWebp(absl::string_view file) {
  return absl::StartsWith(file, "RIFF") && file.size() >= kRiffHeaderBytes &&
         file.substr(8, 4) == "WEBP";
}

// True when more bytes could have made it a JPEG, PNG, WebP or BMP.
bool IsSignatureCut(absl::string_view file) {
  return absl::StartsWith(kJpegMagic, file) ||
         absl::StartsWith(kPngSignature, file) ||
         absl::StartsWith("BM", file) ||
         (file.size() < kRiffHeaderBytes &&
          absl::StartsWith("RIFF", file.substr(0, 4)) &&
          absl::StartsWith("WEBP",
                           file.substr(std::min<size_t>(file.size(), 8))));
}

absl::Status UnsupportedError(absl::string_view file) {
  constexpr absl::string_view kWanted =
      "; accepted are JPEG, PNG, WebP and BMP";
  for (const Signature& signature : kForeign) {
    if (!HasMagic(file, signature)) continue;
    return MakeError(absl::StatusCode::kInvalidArgument,
                     reason::kImageUnsupportedFormat,
                     absl::StrCat("image format ", signature.name,
                                  " is not supported", kWanted),
                     {{"format", std::string(signature.name)}});
  }
  return MakeError(
      absl::StatusCode::kInvalidArgument, reason::kImageUnsupportedFormat,
      absl::StrCat("unknown image format, first bytes ",
                   absl::BytesToHexString(file.substr(0, 8)), kWanted));
}

}  // namespace

absl::StatusOr<ImageFormat> SniffImageFormat(absl::string_view file) {
  if (file.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument, reason::kImageInvalid,
                     "image is empty, 0 bytes", {{"bytes", "0"}});
  }
  if (absl::StartsWith(file, kJpegMagic)) return ImageFormat::kJpeg;
  if (absl::StartsWith(file, kPngSignature)) return ImageFormat::kPng;
  if (IsRiffWebp(file)) return ImageFormat::kWebp;
  if (absl::StartsWith(file, "BM")) return ImageFormat::kBmp;
  if (IsSignatureCut(file)) return ImageTruncatedError(file, "image");
  return UnsupportedError(file);
}

}  // namespace tandem
