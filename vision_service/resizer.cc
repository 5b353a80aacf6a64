#include "vision_service/resizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

// One function compiled for the machine's better vector units too, chosen when
// the program is loaded: too early for a sanitizer. The results are integers
// and do not depend on it.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(TANDEM_THREAD_SANITIZER)
#define TANDEM_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define TANDEM_VECTOR_CLONES
#endif

namespace tandem {
namespace {

constexpr int kPrecisionBits = 22;
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

// Keys' cubic with a = -0.5, in Pillow's order of operations.
double Cubic(double x) {
  constexpr double kA = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

// The inputs of one output along an axis: weights[0, count) from `first` on.
struct Taps {
  int first = 0;
  int count = 0;
  const int32_t* weights = nullptr;
};

// All taps of an axis that goes from `input` to `output` pixels.
class AxisFilter {
 public:
  AxisFilter(int input, int output)
      : scale_(static_cast<double>(input) / output),
        stretch_(std::max(scale_, 1.0)),
        stride_(static_cast<int>(std::ceil(2.0 * stretch_)) * 2 + 1),
        weights_(static_cast<size_t>(output) * stride_),
        ranges_(output) {
    for (int o = 0; o < output; ++o) Compute(o, input);
  }

  Taps operator[](int o) const {
    return {ranges_[o].first, ranges_[o].count,
            &weights_[static_cast<size_t>(o) * stride_]};
  }

 private:
  struct Range {
    int first, count;
  };

  void Compute(int o, int input) {
    const double support = 2.0 * stretch_;
    const double center = (o + 0.5) * scale_;
    const double inverse = 1.0 / stretch_;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int end = std::min(input, static_cast<int>(center + support + 0.5));
    std::vector<double> weights(end - first);
    double sum = 0.0;
    for (int i = 0; i < end - first; ++i) {
      weights[i] = Cubic((i + first - center + 0.5) * inverse);
      sum += weights[i];
    }
    ranges_[o] = {first, end - first};
    int32_t* fixed = &weights_[static_cast<size_t>(o) * stride_];
    for (int i = 0; i < end - first; ++i) {
      const double weight = sum == 0.0 ? weights[i] : weights[i] / sum;
      fixed[i] = static_cast<int32_t>(weight * (1 << kPrecisionBits) +
                                      (weight < 0 ? -0.5 : 0.5));
    }
  }

  const double scale_;
  const double stretch_;
  const int stride_;
  std::vector<int32_t> weights_;
  std::vector<Range> ranges_;
};

// Bytes that are summed side by side: their sums stay in vector registers.
constexpr int kLanes = 48;
// Rows filtered together in the horizontal pass.
constexpr int kBlockRows = kLanes / 3;

// out[j] = round(sum over t of weights[t] * lines[t * stride + j]), j < lanes.
inline __attribute__((always_inline)) void SumLanes(const uint8_t* lines,
                                                    size_t stride, Taps taps,
                                                    int lanes, uint8_t* out) {
  int32_t sums[kLanes];
  for (int j = 0; j < lanes; ++j) sums[j] = kHalf;
  for (int t = 0; t < taps.count; ++t) {
    const int32_t weight = taps.weights[t];
    const uint8_t* line = lines + t * stride;
    for (int j = 0; j < lanes; ++j) sums[j] += line[j] * weight;
  }
  for (int j = 0; j < lanes; ++j) {
    out[j] =
        static_cast<uint8_t>(std::clamp(sums[j] >> kPrecisionBits, 0, 255));
  }
}

TANDEM_VECTOR_CLONES void SumColumns(const uint8_t* columns, Taps taps,
                                     uint8_t* out) {
  SumLanes(columns, kLanes, taps, kLanes, out);
}

TANDEM_VECTOR_CLONES void SumRows(const uint8_t* rows, size_t row_bytes,
                                  Taps taps, uint8_t* out) {
  size_t j = 0;
  for (; j + kLanes <= row_bytes; j += kLanes) {
    SumLanes(rows + j, row_bytes, taps, kLanes, out + j);
  }
  SumLanes(rows + j, row_bytes, taps, static_cast<int>(row_bytes - j), out + j);
}

// columns[x, r] = pixel (x, first_row + r): [width, kBlockRows, 3].
void GatherColumns(const RgbImage& image, int first_row, int num_rows,
                   uint8_t* columns) {
  const uint8_t* rows = image.row(first_row);
  for (int x = 0; x < image.width; ++x) {
    uint8_t* column = columns + static_cast<size_t>(x) * kLanes;
    const uint8_t* pixel = rows + static_cast<size_t>(x) * 3;
    for (int r = 0; r < num_rows; ++r) {
      std::memcpy(column + r * 3, pixel, 3);
      pixel += image.row_bytes();
    }
  }
}

// Rows are turned into columns, a block of them at a time, so that both passes
// are the same sum over whole lines.
RgbImage ResizeHorizontally(const RgbImage& image, int width) {
  const AxisFilter filter(image.width, width);
  RgbImage result = MakeRgbImage(width, image.height);
  std::vector<uint8_t> columns(static_cast<size_t>(image.width) * kLanes);
  for (int y = 0; y < image.height; y += kBlockRows) {
    const int num_rows = std::min(kBlockRows, image.height - y);
    GatherColumns(image, y, num_rows, columns.data());
    for (int x = 0; x < width; ++x) {
      uint8_t column[kLanes];
      const Taps taps = filter[x];
      SumColumns(&columns[static_cast<size_t>(taps.first) * kLanes], taps,
                 column);
      for (int r = 0; r < num_rows; ++r) {
        std::memcpy(result.row(y + r) + x * 3, column + r * 3, 3);
      }
    }
  }
  return result;
}

RgbImage ResizeVertically(const RgbImage& image, int height) {
  const AxisFilter filter(image.height, height);
  RgbImage result = MakeRgbImage(image.width, height);
  for (int y = 0; y < height; ++y) {
    const Taps taps = filter[y];
    SumRows(image.row(taps.first), image.row_bytes(), taps, result.row(y));
  }
  return result;
}

}  // namespace

RgbImage ResizeBicubic(const RgbImage& image, int width, int height) {
  if (width == image.width && height == image.height) return image;
  if (width == image.width) return ResizeVertically(image, height);
  RgbImage narrowed = ResizeHorizontally(image, width);
  if (height == image.height) return narrowed;
  return ResizeVertically(narrowed, height);
}

}  // namespace tandem
