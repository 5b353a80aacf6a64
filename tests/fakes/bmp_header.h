#pragma once

#include <cstdint>
#include <string>

namespace tandem {

// The header of a 24-bit BMP: all that a gateway reads of an image.
inline std::string BmpHeader(int width, int height) {
  std::string file(54, '\0');
  const auto put = [&](size_t at, uint32_t value) {
    for (int i = 0; i < 4; ++i)
      file[at + i] = static_cast<char>(value >> 8 * i);
  };
  file[0] = 'B';
  file[1] = 'M';
  put(10, 54);
  put(14, 40);
  put(18, static_cast<uint32_t>(width));
  put(22, static_cast<uint32_t>(height));
  file[26] = 1;
  file[28] = 24;
  return file;
}

}  // namespace tandem
