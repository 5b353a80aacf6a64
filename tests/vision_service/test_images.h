#pragma once

#include <zlib.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "vision_service/rgb_image.h"

namespace tandem {

// The whole file; throws where it cannot be read, so that the test fails.
inline std::string ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline uint32_t Crc32(absl::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// Of the interleaved pixels, as the references print it.
inline std::string Crc32Hex(const RgbImage& image) {
  const absl::string_view bytes(
      reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size());
  return absl::StrCat(absl::Hex(Crc32(bytes), absl::kZeroPad8));
}

inline std::string Big32(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

// A PNG chunk with its CRC.
inline std::string MakePngChunk(const std::string& type,
                                const std::string& data) {
  return absl::StrCat(Big32(static_cast<uint32_t>(data.size())), type, data,
                      Big32(Crc32(type + data)));
}

// A PNG file of `rows`, each with its filter byte in front.
inline std::string MakePng(uint32_t width, uint32_t height, int bit_depth,
                           int color_type, const std::string& rows,
                           const std::string& chunks_before_pixels = "") {
  std::string deflated(compressBound(rows.size()), '\0');
  uLongf size = deflated.size();
  compress(reinterpret_cast<Bytef*>(deflated.data()), &size,
           reinterpret_cast<const Bytef*>(rows.data()), rows.size());
  deflated.resize(size);
  const std::string header = absl::StrCat(
      Big32(width), Big32(height), std::string(1, static_cast<char>(bit_depth)),
      std::string(1, static_cast<char>(color_type)), std::string(3, '\0'));
  return absl::StrCat("\x89PNG\r\n\x1A\n", MakePngChunk("IHDR", header),
                      chunks_before_pixels, MakePngChunk("IDAT", deflated),
                      MakePngChunk("IEND", ""));
}

// A picture of ramps and edges: for m = 31x + 17y + 13 floor(xy / 8), red is
// m, green m + 89 and blue m + 178, modulo 256.
inline RgbImage MakePattern(int width, int height) {
  RgbImage image = MakeRgbImage(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int m = 31 * x + 17 * y + 13 * (x * y / 8);
      uint8_t* pixel = image.row(y) + static_cast<size_t>(x) * 3;
      pixel[0] = static_cast<uint8_t>(m);
      pixel[1] = static_cast<uint8_t>(m + 89);
      pixel[2] = static_cast<uint8_t>(m + 178);
    }
  }
  return image;
}

}  // namespace tandem
