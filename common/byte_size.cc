#include "common/byte_size.h"

#include <cmath>
#include <iterator>

#include "absl/strings/str_format.h"

namespace tandem {

std::string FormatBytes(int64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; std::abs(value) >= 1024 && unit + 1 < std::size(kUnits); ++unit) {
    value /= 1024;
  }
  return absl::StrFormat(value < 10 && unit > 0 ? "%.2f %s" : "%.1f %s", value,
                         kUnits[unit]);
}

}  // namespace tandem
