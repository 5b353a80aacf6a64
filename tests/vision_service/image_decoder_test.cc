#include "vision_service/image_decoder.h"

#include <cstdlib>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/vision_service/test_images.h"
#include "vision_service/orientation.h"
#include "vision_service/png_encoder.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Two pixels of grey, 16 bits each: 0x1234 and 0xFFFF.
TEST(DecodeImage, KeepsTheHighByteOfSixteenBitGrey) {
  const std::string rows("\0\x12\x34\xFF\xFF", 5);
  const auto image = DecodeImage(MakePng(2, 1, 16, 0, rows), {});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(image->pixels, ElementsAre(0x12, 0x12, 0x12, 255, 255, 255));
}

// Grey with alpha: 7 fully transparent, 200 half.
TEST(DecodeImage, DropsAlphaAndKeepsTheColorUnderIt) {
  const std::string rows("\0\x07\x00\xC8\x80", 5);
  const auto image = DecodeImage(MakePng(2, 1, 8, 4, rows), {});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(image->pixels, ElementsAre(7, 7, 7, 200, 200, 200));
}

TEST(DecodeImage, DrawsPaletteIndicesBeyondThePaletteBlack) {
  const std::string palette = MakePngChunk("PLTE", "\x0A\x14\x1E");
  const std::string rows("\0\0\7", 3);
  const auto image = DecodeImage(MakePng(2, 1, 8, 3, rows, palette), {});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(image->pixels, ElementsAre(10, 20, 30, 0, 0, 0));
}

// A JPEG of one colour, C 30 M 90 Y 200 K 40 before compression; Pillow makes
// it (191, 141, 46).
TEST(DecodeImage, ConvertsCmykToWithinTwoOfPillow) {
  std::string file;
  ASSERT_TRUE(absl::Base64Unescape(
      "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAQCwwODAoQDg0OEhEQExgoGhgWFhgxIyUdKDozPTw5"
      "Mzg3QEhcTkBEV0U3OFBtUVdfYmdoZz5NcXlwZHhcZWdj/8AAFAgACAAIBEMRAE0RAFkRAEsR"
      "AP/EABUAAQEAAAAAAAAAAAAAAAAAAAYF/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAA4EQwBN"
      "AFkASwAAPwBipjRY/9k=",
      &file));
  const auto image = DecodeImage(file, {});
  ASSERT_TRUE(image.ok()) << image.status();
  ASSERT_EQ(image->pixels.size(), 8u * 8 * 3);
  for (size_t i = 0; i < image->pixels.size(); i += 3) {
    EXPECT_NEAR(image->pixels[i], 191, 2);
    EXPECT_NEAR(image->pixels[i + 1], 141, 2);
    EXPECT_NEAR(image->pixels[i + 2], 46, 2);
  }
}

// The stored rows are R G / B W; Exif orientation 6: turn right by 90 degrees.
std::string MakeRotatedPng() {
  const std::string exif("MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0", 22);
  const std::string rows("\0\xFF\0\0\0\xFF\0\0\0\0\xFF\xFF\xFF\xFF", 14);
  return MakePng(2, 2, 8, 2, rows, MakePngChunk("eXIf", exif));
}

TEST(DecodeImage, IgnoresTheOrientationUnlessAsked) {
  const auto image = DecodeImage(MakeRotatedPng(), {});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(image->pixels,
              ElementsAre(255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255));
}

TEST(DecodeImage, AppliesTheOrientationWhenAsked) {
  const auto image = DecodeImage(MakeRotatedPng(), {.apply_exif = true});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(image->pixels,
              ElementsAre(0, 0, 255, 255, 0, 0, 255, 255, 255, 0, 255, 0));
}

TEST(DecodeImage, RefusesWhatIsAboveItsLimitsBeforeItDecodes) {
  // The pixels are missing: an attempt to decode would say so instead.
  const std::string file = MakePng(30, 20, 8, 2, "");
  const auto image = DecodeImage(file, {.limits = {.max_pixels = 599}});
  EXPECT_EQ(ErrorReason(image.status()), reason::kImageTooLarge);
}

TEST(DecodeImage, RefusesAPngWhosePixelsEndTooSoon) {
  const auto image = DecodeImage(MakePng(2, 2, 8, 0, std::string(3, '\0')), {});
  EXPECT_EQ(ErrorReason(image.status()), reason::kImageInvalid);
  EXPECT_THAT(std::string(image.status().message()),
              HasSubstr("png cannot be decoded"));
}

// A frame header of 8x8 pixels, then a scan without tables.
TEST(DecodeImage, RefusesAJpegThatItsDecoderGivesUp) {
  const std::string file(
      "\xFF\xD8\xFF\xC0\0\x0B\x08\0\x08\0\x08\1\1\x11\0"
      "\xFF\xDA\0\x08\1\1\0\0\x3F\0\x12\xFF\xD9",
      28);
  const auto image = DecodeImage(file, {});
  EXPECT_EQ(ErrorReason(image.status()), reason::kImageInvalid);
  EXPECT_THAT(std::string(image.status().message()),
              HasSubstr("jpeg cannot be decoded"));
}

TEST(DecodeImage, RefusesAnEmptyFile) {
  EXPECT_EQ(ErrorReason(DecodeImage("", {}).status()), reason::kImageInvalid);
}

TEST(DecodeImage, MayRunInManyThreadsAtOnce) {
  const auto file = EncodePng(MakePattern(97, 61));
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<std::string> crcs(8);
  std::vector<std::thread> threads;
  for (std::string& crc : crcs) {
    threads.emplace_back([&] {
      const auto image = DecodeImage(*file, {});
      if (image.ok()) crc = Crc32Hex(*image);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(crcs, testing::Each(Crc32Hex(MakePattern(97, 61))));
}

TEST(EncodePng, IsReadBackBitForBit) {
  const RgbImage image = MakePattern(45, 32);
  const auto file = EncodePng(image);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto back = DecodeImage(*file, {});
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->width, 45);
  EXPECT_EQ(back->pixels, image.pixels);
}

TEST(EncodePng, RefusesAnImageWithoutPixels) {
  EXPECT_EQ(EncodePng(RgbImage{}).status().code(), absl::StatusCode::kInternal);
}

// Pixels a b c / d e f, told apart by their red.
std::string Turned(int orientation) {
  RgbImage image = MakeRgbImage(3, 2);
  for (int i = 0; i < 6; ++i)
    image.pixels[i * 3] = static_cast<uint8_t>('a' + i);
  const RgbImage turned = ApplyOrientation(image, orientation);
  std::string text;
  for (int y = 0; y < turned.height; ++y) {
    if (y > 0) text += '/';
    for (int x = 0; x < turned.width; ++x) {
      text += static_cast<char>(turned.row(y)[x * 3]);
    }
  }
  return text;
}

TEST(ApplyOrientation, TurnsEachOfTheEightUpright) {
  EXPECT_EQ(Turned(1), "abc/def");
  EXPECT_EQ(Turned(2), "cba/fed");
  EXPECT_EQ(Turned(3), "fed/cba");
  EXPECT_EQ(Turned(4), "def/abc");
  EXPECT_EQ(Turned(5), "ad/be/cf");
  EXPECT_EQ(Turned(6), "da/eb/fc");
  EXPECT_EQ(Turned(7), "fc/eb/da");
  EXPECT_EQ(Turned(8), "cf/be/ad");
}

}  // namespace
}  // namespace tandem
