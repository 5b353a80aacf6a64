#include "vision_service/tiles.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/vision_service/test_images.h"

namespace tandem {
namespace {

// The filter as its definition says, one output value at a time: the reference
// that the fast passes are compared with.
double Keys(double x) {
  x = std::fabs(x);
  if (x < 1) return ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * -0.5;
  return 0;
}

// Value `o` of `output` of a line of `input` values.
template <typename Line>
uint8_t ResampleValue(const Line& line, int input, int output, int o) {
  const double scale = static_cast<double>(input) / output;
  const double stretch = std::max(scale, 1.0);
  const double center = (o + 0.5) * scale;
  const int first = std::max(0, static_cast<int>(center - 2 * stretch + 0.5));
  const int end = std::min(input, static_cast<int>(center + 2 * stretch + 0.5));
  std::vector<double> weights;
  double total = 0;
  for (int i = first; i < end; ++i) {
    weights.push_back(Keys((i - center + 0.5) * (1 / stretch)));
    total += weights.back();
  }
  int64_t sum = 1 << 21;
  for (int i = first; i < end; ++i) {
    const double fixed = weights[i - first] / total * (1 << 22);
    sum += line(i) * static_cast<int64_t>(fixed + (fixed < 0 ? -0.5 : 0.5));
  }
  return static_cast<uint8_t>(std::clamp<int64_t>(sum >> 22, 0, 255));
}

RgbImage PlainResize(const RgbImage& image, int width, int height) {
  RgbImage wide = image;
  if (width != image.width) {
    wide = MakeRgbImage(width, image.height);
    for (int y = 0; y < image.height; ++y) {
      for (int i = 0; i < width * 3; ++i) {
        wide.row(y)[i] =
            ResampleValue([&](int x) { return image.row(y)[x * 3 + i % 3]; },
                          image.width, width, i / 3);
      }
    }
  }
  if (height == image.height) return wide;
  RgbImage result = MakeRgbImage(width, height);
  for (int y = 0; y < height; ++y) {
    for (int i = 0; i < width * 3; ++i) {
      result.row(y)[i] = ResampleValue(
          [&](int from) { return wide.row(from)[i]; }, image.height, height, y);
    }
  }
  return result;
}

// What Pillow 12.0.0 makes of MakePattern.
struct ResizeCase {
  int from_width, from_height, width, height;
  std::string from_crc, crc;
  friend std::ostream& operator<<(std::ostream& os, const ResizeCase& c) {
    return os << c.from_width << "x" << c.from_height << " to " << c.width
              << "x" << c.height;
  }
};
class ResizeTest : public testing::TestWithParam<ResizeCase> {};

TEST_P(ResizeTest, EqualsPillowBitForBit) {
  const ResizeCase& c = GetParam();
  const RgbImage image = MakePattern(c.from_width, c.from_height);
  ASSERT_EQ(Crc32Hex(image), c.from_crc);
  const RgbImage resized = ResizeBicubic(image, c.width, c.height);
  EXPECT_EQ(resized.width, c.width);
  EXPECT_EQ(resized.height, c.height);
  EXPECT_EQ(Crc32Hex(resized), c.crc);
}
INSTANTIATE_TEST_SUITE_P(
    Pillow12, ResizeTest,
    testing::Values(ResizeCase{64, 48, 16, 16, "d9df53a1", "515edae3"},
                    ResizeCase{17, 23, 64, 64, "e3701e85", "44b1b620"},
                    ResizeCase{800, 600, 1792, 1344, "ed5f4ba8", "2ee45ea0"},
                    ResizeCase{800, 600, 448, 448, "ed5f4ba8", "e6819752"},
                    ResizeCase{448, 448, 896, 448, "b41b8903", "2e8d7458"},
                    ResizeCase{1, 1, 4, 4, "b157edaf", "a3a5801d"},
                    ResizeCase{100, 3000, 448, 5376, "143215c9", "26ac326a"},
                    ResizeCase{1920, 1080, 896, 448, "e2cf7740", "50197aa1"}));

TEST(ResizeBicubic, EqualsThePlainReferenceOnRandomSizes) {
  std::mt19937 random(20240611);
  std::uniform_int_distribution<int> size(1, 70);
  std::uniform_int_distribution<int> byte(0, 255);
  for (int i = 0; i < 150; ++i) {
    RgbImage image = MakeRgbImage(size(random), size(random));
    // Every third picture is only black and white: the sums go furthest.
    for (uint8_t& value : image.pixels) {
      const int v = byte(random);
      value = static_cast<uint8_t>(i % 3 == 0 ? (v < 128 ? 0 : 255) : v);
    }
    const int width = size(random);
    const int height = size(random);
    EXPECT_EQ(ResizeBicubic(image, width, height).pixels,
              PlainResize(image, width, height).pixels)
        << image.width << "x" << image.height << " to " << width << "x"
        << height;
  }
}

TEST(ResizeBicubic, CopiesAnImageThatHasTheSizeAlready) {
  const RgbImage image = MakePattern(31, 7);
  EXPECT_EQ(ResizeBicubic(image, 31, 7).pixels, image.pixels);
}

TEST(ResizeBicubic, LeavesAnAxisAloneThatKeepsItsSize) {
  const RgbImage image = MakePattern(50, 40);
  EXPECT_EQ(ResizeBicubic(image, 50, 9).pixels,
            PlainResize(image, 50, 9).pixels);
  EXPECT_EQ(ResizeBicubic(image, 9, 40).pixels,
            PlainResize(image, 9, 40).pixels);
}

// Pillow 12.0.0 with dynamic_preprocess, at most 12 tiles and a thumbnail.
struct TilesCase {
  int width, height;
  TileGrid grid;
  std::string crcs;
  friend std::ostream& operator<<(std::ostream& os, const TilesCase& c) {
    return os << c.width << "x" << c.height;
  }
};
class CutTilesTest : public testing::TestWithParam<TilesCase> {};

TEST_P(CutTilesTest, EqualsTheReferenceTileByTile) {
  const TilesCase& c = GetParam();
  const auto grid = ChooseTileGrid(c.width, c.height, 448, 12);
  ASSERT_TRUE(grid.ok()) << grid.status();
  ASSERT_EQ(*grid, c.grid);
  std::vector<std::string> crcs;
  for (const RgbImage& tile :
       CutTiles(MakePattern(c.width, c.height), *grid, 448)) {
    EXPECT_EQ(tile.width, 448);
    EXPECT_EQ(tile.height, 448);
    crcs.push_back(Crc32Hex(tile));
  }
  const std::vector<std::string> want = absl::StrSplit(c.crcs, ' ');
  EXPECT_EQ(crcs, want);
}
INSTANTIATE_TEST_SUITE_P(
    Pillow12, CutTilesTest,
    testing::Values(
        TilesCase{640,
                  480,
                  {4, 3},
                  "44a64e0b 81d1cf9f 86685e07 b0649aa5 08ebaf91 5eb5102f "
                  "1cfde281 aa52c8af ee5b834d 35dd50cf 71e02f7b 3d502844 "
                  "f0753af6"},
        TilesCase{300,
                  700,
                  {2, 5},
                  "11a03587 7207fca0 84e96930 013769db ac71f335 5746d2ca "
                  "e2a64ece 10d9fe93 8ac8bd1f cb26e1f1 a6b03c96"},
        TilesCase{500,
                  100,
                  {5, 1},
                  "c7548631 92fd1c9b 39222d92 ff65c611 0c8159bb 15a1cf17"},
        TilesCase{448, 448, {1, 1}, "b41b8903"},
        TilesCase{896, 448, {2, 1}, "b41b8903 59774be3 7714da2d"}));

// One tile whose pixel (value, channel) runs through all 768 combinations.
std::vector<float> NormalizeEveryValue() {
  RgbImage tile = MakeRgbImage(16, 16);
  for (int value = 0; value < 256; ++value) {
    std::fill_n(&tile.pixels[value * 3], 3, static_cast<uint8_t>(value));
  }
  std::vector<float> values(3 * 256);
  NormalizeTile(tile, values.data());
  return values;
}

template <typename Value>
uint32_t Crc32OfValues(const std::vector<Value>& values) {
  return Crc32({reinterpret_cast<const char*>(values.data()),
                values.size() * sizeof(Value)});
}

TEST(NormalizeTile, EqualsTheReferenceForEveryValueAndChannel) {
  EXPECT_EQ(Crc32OfValues(NormalizeEveryValue()), 0xBD18B1B8u);
}

TEST(NormalizeTile, EqualsTheReferenceAfterRoundingToBfloat16) {
  std::vector<uint16_t> rounded;
  for (const float value : NormalizeEveryValue()) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    bits += 0x7FFF + (bits >> 16 & 1);  // to nearest, ties to even
    rounded.push_back(static_cast<uint16_t>(bits >> 16));
  }
  EXPECT_EQ(Crc32OfValues(rounded), 0x65F4D4F3u);
}

TEST(NormalizeTile, WritesChannelAfterChannel) {
  RgbImage tile = MakeRgbImage(2, 1);
  tile.pixels = {0, 128, 255, 255, 128, 0};
  float out[6];
  NormalizeTile(tile, out);
  EXPECT_FLOAT_EQ(out[0], -2.11790395f);  // red of both pixels
  EXPECT_FLOAT_EQ(out[1], 2.24890828f);
  EXPECT_EQ(out[2], out[3]);             // green
  EXPECT_FLOAT_EQ(out[4], 2.64000010f);  // blue
}

}  // namespace
}  // namespace tandem
