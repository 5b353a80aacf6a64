#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vision_service/bmp_run_length.h"
#include "vision_service/image_decoder.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

std::string Little32(uint32_t value) {
  return {static_cast<char>(value), static_cast<char>(value >> 8),
          static_cast<char>(value >> 16), static_cast<char>(value >> 24)};
}

struct Bmp {
  int width = 2, height = 1, bits = 24;
  uint32_t compression = 0;
  uint32_t num_colors = 0;
  std::string masks_and_palette = {};
  std::string pixels = {};
  uint32_t pixels_offset = 1;  // 1: where they are

  std::string File() const {
    const std::string body = absl::StrCat(
        Little32(40), Little32(width), Little32(height),
        Little32(1 | static_cast<uint32_t>(bits) << 16), Little32(compression),
        std::string(12, '\0'), Little32(num_colors), std::string(4, '\0'),
        masks_and_palette);
    const auto offset = static_cast<uint32_t>(14 + body.size());
    return absl::StrCat("BM", std::string(8, '\0'),
                        Little32(pixels_offset == 1 ? offset : pixels_offset),
                        body, pixels);
  }
};

std::vector<uint8_t> PixelsOf(const Bmp& bmp) {
  const auto image = DecodeImage(bmp.File(), {});
  EXPECT_TRUE(image.ok()) << image.status();
  return image.ok() ? image->pixels : std::vector<uint8_t>();
}

std::string ReasonOf(const Bmp& bmp) {
  return ErrorReason(DecodeImage(bmp.File(), {}).status());
}

std::string Masks(uint32_t red, uint32_t green, uint32_t blue) {
  return absl::StrCat(Little32(red), Little32(green), Little32(blue));
}
const std::string kTwoColors("\x03\x02\x01\0\x06\x05\x04\0", 8);  // B G R 0

// 5 bits are stretched by * 255 / 31, rounded down.
TEST(DecodeBmp, Stretches555) {
  const std::string pixels("\x61\x0C\xFF\x7F", 4);  // r 3 g 3 b 1; white
  const std::vector<uint8_t> want = {24, 24, 8, 255, 255, 255};
  EXPECT_EQ(PixelsOf({.bits = 16, .pixels = pixels}), want);
  EXPECT_EQ(PixelsOf({.bits = 16,
                      .compression = 3,
                      .masks_and_palette = Masks(0x7C00, 0x3E0, 0x1F),
                      .pixels = pixels}),
            want);
}

TEST(DecodeBmp, Stretches565) {
  EXPECT_THAT(PixelsOf({.width = 1,
                        .bits = 16,
                        .compression = 3,
                        .masks_and_palette = Masks(0xF800, 0x7E0, 0x1F),
                        .pixels = std::string("\x61\x18\0\0", 4)}),
              ElementsAre(24, 12, 8));  // r 3 g 3 b 1
}

TEST(DecodeBmp, TakesBitFieldsOfWholeBytes) {
  const Bmp bmp{.width = 1,
                .bits = 32,
                .compression = 3,
                .masks_and_palette = Masks(0xFF000000, 0xFF00, 0xFF),
                .pixels = "\x01\x02\x03\x04"};
  EXPECT_THAT(PixelsOf(bmp), ElementsAre(4, 2, 1));
}

TEST(DecodeBmp, TakesBitFieldsOfZeroForBlueGreenRed) {
  const Bmp bmp{.width = 1,
                .bits = 32,
                .compression = 3,
                .masks_and_palette = Masks(0, 0, 0),
                .pixels = "\x01\x02\x03\x04"};
  EXPECT_THAT(PixelsOf(bmp), ElementsAre(3, 2, 1));
}

TEST(DecodeBmp, ReadsRowsFromTheBottomUnlessTheHeightIsNegative) {
  const std::string rows("\1\1\1\0\2\2\2\0", 8);
  EXPECT_THAT(PixelsOf({.width = 1, .height = 2, .pixels = rows}),
              ElementsAre(2, 2, 2, 1, 1, 1));
  EXPECT_THAT(PixelsOf({.width = 1, .height = -2, .pixels = rows}),
              ElementsAre(1, 1, 1, 2, 2, 2));
}

TEST(DecodeBmp, DrawsIndicesBeyondThePaletteBlack) {
  EXPECT_THAT(PixelsOf({.width = 3,
                        .bits = 8,
                        .num_colors = 2,
                        .masks_and_palette = kTwoColors,
                        .pixels = std::string("\1\0\2\0", 4)}),
              ElementsAre(4, 5, 6, 1, 2, 3, 0, 0, 0));
}

TEST(DecodeBmp, FindsThePixelsWhereTheirOffsetIsWrong) {
  for (const uint32_t offset : {0u, 54u}) {
    EXPECT_THAT(PixelsOf({.bits = 1,
                          .masks_and_palette = kTwoColors,
                          .pixels = std::string("\x40\0\0\0", 4),
                          .pixels_offset = offset}),
                ElementsAre(1, 2, 3, 4, 5, 6));
  }
}

TEST(DecodeBmp, DoesWithoutThePaddingOfTheLastRow) {
  const Bmp whole{.width = 1, .pixels = "\1\2\3"};
  EXPECT_THAT(PixelsOf(whole), ElementsAre(3, 2, 1));
  const Bmp cut{.width = 1, .pixels = "\1\2"};
  EXPECT_EQ(ReasonOf(cut), reason::kImageTruncated);
}

TEST(DecodeBmp, RefusesWhatEndsTooSoon) {
  EXPECT_EQ(ReasonOf({.pixels_offset = 1u << 30}), reason::kImageTruncated);
  EXPECT_EQ(ReasonOf({.bits = 32, .compression = 3}), reason::kImageTruncated);
  EXPECT_EQ(ReasonOf({.bits = 8, .pixels = "12345678", .pixels_offset = 54}),
            reason::kImageTruncated);
}

TEST(DecodeBmp, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(ReasonOf({.bits = 2}), reason::kImageUnsupportedFormat);
  EXPECT_EQ(ReasonOf({.compression = 4}), reason::kImageUnsupportedFormat);
  EXPECT_EQ(ReasonOf({.bits = 4, .compression = 1}),
            reason::kImageUnsupportedFormat);
  EXPECT_EQ(ReasonOf({.bits = 8, .num_colors = 65537}),
            reason::kImageUnsupportedFormat);
  const std::string odd = Masks(0xF000, 0x7E0, 0x1F);
  for (const int bits : {16, 24, 32}) {
    EXPECT_EQ(ReasonOf({.bits = bits,
                        .compression = 3,
                        .masks_and_palette = odd,
                        .pixels = "12345678"}),
              reason::kImageUnsupportedFormat)
        << bits;
  }
}

TEST(DecodeBmp, ExpandsRunLengths) {
  Bmp bmp{.width = 2,
          .height = 2,
          .bits = 8,
          .compression = 1,
          .num_colors = 2,
          .masks_and_palette = kTwoColors,
          .pixels = std::string("\2\1\0\0\1\0\1\1\0\1", 10)};
  EXPECT_THAT(PixelsOf(bmp), ElementsAre(1, 2, 3, 4, 5, 6, 4, 5, 6, 4, 5, 6));
  bmp.pixels.resize(4);
  EXPECT_EQ(ReasonOf(bmp), reason::kImageTruncated);
}

std::string Expand8(const std::string& data, int width, int height) {
  return ExpandBmpRunLengths(data, width, height, /*four_bits=*/false);
}

TEST(ExpandBmpRunLengths, KnowsEveryCode) {
  // A run, literals with their padding, the end of a row, a jump of one column
  // and one row, a run, the end.
  const std::string data("\2a\0\3xyz\0\0\0\1b\0\2\1\1\1c\0\1", 20);
  EXPECT_EQ(Expand8(data, 5, 3),
            absl::StrCat("aaxyz", "b", std::string(6, '\0'), "c"));
}

TEST(ExpandBmpRunLengths, EndsARunWithItsRow) {
  EXPECT_EQ(Expand8("\5a\1b", 3, 2), "aaa");
  EXPECT_EQ(Expand8(std::string("\5a\0\0\1b", 6), 3, 2), "aaab");
}

TEST(ExpandBmpRunLengths, NeverWritesMoreThanThePicture) {
  EXPECT_EQ(Expand8(std::string("\0\6abcdef", 8), 2, 2), "abcd");
  EXPECT_EQ(Expand8(std::string("\0\2\xFF\xFF", 4), 2, 2),
            std::string(4, '\0'));
}

TEST(ExpandBmpRunLengths, StopsWhereTheDataStop) {
  EXPECT_EQ(Expand8("", 2, 2), "");
  EXPECT_EQ(Expand8("\2", 2, 2), "");
  EXPECT_EQ(Expand8(std::string("\0\4ab", 4), 2, 2), "ab");
  EXPECT_EQ(Expand8(std::string("\0\2\1", 3), 2, 2), "");
}

TEST(ExpandBmpRunLengths, TakesTwoIndicesAByteInRle4) {
  // 5 times 1, 2; literals 3, 4, 5, of which the last has a byte for itself.
  const std::string data("\5\x12\0\3\x34\x50\0\1", 8);
  EXPECT_EQ(ExpandBmpRunLengths(data, 8, 1, /*four_bits=*/true),
            "\1\2\1\2\1\3\4\5");
}

}  // namespace
}  // namespace tandem
