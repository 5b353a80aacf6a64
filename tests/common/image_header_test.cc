#include "common/image_header.h"

#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using testing::HasSubstr;

std::string Big16(uint32_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}
std::string Big32(uint32_t value) {
  return Big16(value >> 16) + Big16(value & 0xFFFF);
}
std::string Little16(uint32_t value) {
  return {static_cast<char>(value), static_cast<char>(value >> 8)};
}
std::string Little32(uint32_t value) {
  return Little16(value & 0xFFFF) + Little16(value >> 16);
}
std::string Zeros(size_t count) { return std::string(count, '\0'); }

// A TIFF structure with one entry besides the orientation.
std::string Exif(bool big_endian, uint32_t orientation) {
  const auto number16 = big_endian ? Big16 : Little16;
  const auto number32 = big_endian ? Big32 : Little32;
  return absl::StrCat(big_endian ? "MM" : "II", number16(42), number32(8),
                      number16(2),  // entries: ImageWidth, Orientation
                      number16(0x0100), number16(4), number32(1), number32(99),
                      number16(0x0112), number16(3), number32(1),
                      number16(orientation), number16(0), number32(0));
}

std::string JpegSegment(uint8_t marker, const std::string& payload) {
  return absl::StrCat("\xFF", std::string(1, static_cast<char>(marker)),
                      Big16(static_cast<uint32_t>(payload.size()) + 2),
                      payload);
}
std::string JpegFrame(uint8_t marker, int width, int height, int bits = 8,
                      int components = 3) {
  return JpegSegment(
      marker,
      absl::StrCat(std::string(1, static_cast<char>(bits)), Big16(height),
                   Big16(width), std::string(1, static_cast<char>(components)),
                   Zeros(3 * components)));
}
const std::string kScan = JpegSegment(0xDA, Zeros(10));

std::string Jpeg(const std::string& segments) {
  return absl::StrCat("\xFF\xD8", JpegSegment(0xE0, "JFIF"), segments, kScan);
}

// The header reader leaves CRCs to the decoder.
std::string PngChunk(const std::string& type, const std::string& data) {
  return absl::StrCat(Big32(static_cast<uint32_t>(data.size())), type, data,
                      Zeros(4));
}
std::string Png(uint32_t width, uint32_t height, const std::string& more = "") {
  return absl::StrCat(
      "\x89PNG\r\n\x1A\n",
      PngChunk("IHDR", Big32(width) + Big32(height) + "\x08\x02" + Zeros(3)),
      more);
}

std::string WebP(const std::string& type, const std::string& data,
                 const std::string& more = "") {
  const std::string chunks = absl::StrCat(
      "WEBP", type, Little32(static_cast<uint32_t>(data.size())), data, more);
  return absl::StrCat("RIFF", Little32(static_cast<uint32_t>(chunks.size())),
                      chunks);
}
std::string Vp8(int width, int height) {
  return absl::StrCat(Zeros(3), "\x9D\x01\x2A", Little16(width),
                      Little16(height));
}
std::string Vp8l(uint32_t width, uint32_t height) {
  return absl::StrCat("\x2F", Little32((width - 1) | (height - 1) << 14),
                      Zeros(5));
}
std::string Vp8x(uint32_t width, uint32_t height) {
  return absl::StrCat(Zeros(4), Little32(width - 1).substr(0, 3),
                      Little32(height - 1).substr(0, 3));
}

std::string Bmp(uint32_t header_size, int width, int height) {
  const std::string info = absl::StrCat(
      Little32(header_size), Little32(static_cast<uint32_t>(width)),
      Little32(static_cast<uint32_t>(height)), Zeros(header_size - 12));
  return absl::StrCat("BM", Zeros(12), info);
}
const std::string kCoreBmp =
    absl::StrCat("BM", Zeros(12), Little32(12), Little16(7), Little16(9),
                 Little16(1), Little16(24));

struct HeaderCase {
  std::string name;
  std::string file;
  ImageHeader want;
  friend std::ostream& operator<<(std::ostream& os, const HeaderCase& c) {
    return os << c.name;
  }
};
class ImageHeaderTest : public testing::TestWithParam<HeaderCase> {};

TEST_P(ImageHeaderTest, ReadsFormatSizeAndOrientation) {
  const auto header = ReadImageHeader(GetParam().file);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->format, GetParam().want.format);
  EXPECT_EQ(header->width, GetParam().want.width);
  EXPECT_EQ(header->height, GetParam().want.height);
  EXPECT_EQ(header->orientation, GetParam().want.orientation);
}

const auto kJpeg = ImageFormat::kJpeg;
const auto kPng = ImageFormat::kPng;
const auto kWebp = ImageFormat::kWebp;
const auto kBmp = ImageFormat::kBmp;
const std::string kExifPrefix = "Exif" + Zeros(2);

INSTANTIATE_TEST_SUITE_P(
    Formats, ImageHeaderTest,
    testing::Values(
        HeaderCase{
            "Baseline", Jpeg(JpegFrame(0xC0, 640, 480)), {kJpeg, 640, 480}},
        HeaderCase{
            "Progressive", Jpeg(JpegFrame(0xC2, 1, 16384)), {kJpeg, 1, 16384}},
        HeaderCase{
            "ArithmeticGrey", Jpeg(JpegFrame(0xC9, 3, 5, 8, 1)), {kJpeg, 3, 5}},
        HeaderCase{"Cmyk", Jpeg(JpegFrame(0xC0, 3, 5, 8, 4)), {kJpeg, 3, 5}},
        HeaderCase{"FillBytesAndGarbageBetweenSegments",
                   Jpeg("\xFF\xFF" + JpegSegment(0xFE, "a comment") + "xy\xFF" +
                        Zeros(1) + JpegFrame(0xC0, 4, 6)),
                   {kJpeg, 4, 6}},
        // The thumbnail in the Exif block is a JPEG of its own.
        HeaderCase{"ThumbnailInsideExif",
                   Jpeg(JpegSegment(0xE1, kExifPrefix + Exif(true, 6) +
                                              Jpeg(JpegFrame(0xC0, 9, 9)) +
                                              "\xFF\xD9") +
                        JpegFrame(0xC0, 40, 30)),
                   {kJpeg, 40, 30, 6}},
        HeaderCase{"ExifAfterTheFrame",
                   Jpeg(JpegFrame(0xC0, 40, 30) +
                        JpegSegment(0xE1, kExifPrefix + Exif(false, 8))),
                   {kJpeg, 40, 30, 8}},
        HeaderCase{"FirstExifCounts",
                   Jpeg(JpegSegment(0xE1, "http://ns.adobe.com/xap/1.0/") +
                        JpegSegment(0xE1, kExifPrefix + Exif(false, 3)) +
                        JpegSegment(0xE1, kExifPrefix + Exif(false, 5)) +
                        JpegFrame(0xC0, 2, 2)),
                   {kJpeg, 2, 2, 3}},
        HeaderCase{"OrientationOutOfRange",
                   Jpeg(JpegSegment(0xE1, kExifPrefix + Exif(false, 9)) +
                        JpegFrame(0xC0, 2, 2)),
                   {kJpeg, 2, 2, 1}},
        HeaderCase{"Png", Png(800, 600), {kPng, 800, 600}},
        HeaderCase{"PngExif",
                   Png(8, 6,
                       PngChunk("tEXt", "x") + PngChunk("eXIf", Exif(true, 7)) +
                           PngChunk("IEND", "")),
                   {kPng, 8, 6, 7}},
        HeaderCase{
            "PngExifAfterTheEnd",
            Png(8, 6, PngChunk("IEND", "") + PngChunk("eXIf", Exif(true, 7))),
            {kPng, 8, 6, 1}},
        // Scaling hints in the two high bits are not part of the size.
        HeaderCase{"WebpLossy",
                   WebP("VP8 ", Vp8(0x4000 | 320, 0xC000 | 200)),
                   {kWebp, 320, 200}},
        HeaderCase{
            "WebpLossless", WebP("VP8L", Vp8l(16384, 2)), {kWebp, 16384, 2}},
        HeaderCase{
            "WebpExtended", WebP("VP8X", Vp8x(300, 4000)), {kWebp, 300, 4000}},
        HeaderCase{"WebpExif",
                   WebP("VP8X", Vp8x(30, 40),
                        "ICCP" + Little32(3) + "abc" + Zeros(1) + "EXIF" +
                            Little32(38) + Exif(false, 2)),
                   {kWebp, 30, 40, 2}},
        HeaderCase{"WebpExifWithJpegPrefix",
                   WebP("VP8X", Vp8x(30, 40),
                        "EXIF" + Little32(44) + kExifPrefix + Exif(true, 4)),
                   {kWebp, 30, 40, 4}},
        HeaderCase{"BmpCore", kCoreBmp, {kBmp, 7, 9}},
        HeaderCase{"BmpInfo", Bmp(40, 31, 22), {kBmp, 31, 22}},
        HeaderCase{"BmpTopDown", Bmp(40, 31, -22), {kBmp, 31, 22}},
        HeaderCase{"BmpV5", Bmp(124, 31, 22), {kBmp, 31, 22}}),
    [](const auto& info) { return info.param.name; });

struct ErrorCase {
  std::string name;
  std::string file;
  std::string reason;
  std::string message;  // a part of it
  friend std::ostream& operator<<(std::ostream& os, const ErrorCase& c) {
    return os << c.name;
  }
};
class ImageHeaderErrorTest : public testing::TestWithParam<ErrorCase> {};

TEST_P(ImageHeaderErrorTest, SaysWhatIsWrong) {
  const auto header = ReadImageHeader(GetParam().file);
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(header.status()), GetParam().reason);
  EXPECT_THAT(std::string(header.status().message()),
              HasSubstr(GetParam().message));
}

const std::string kInvalid = reason::kImageInvalid;
const std::string kTruncated = reason::kImageTruncated;
const std::string kUnsupported = reason::kImageUnsupportedFormat;
const std::string kTooLarge = reason::kImageTooLarge;

INSTANTIATE_TEST_SUITE_P(
    Errors, ImageHeaderErrorTest,
    testing::Values(
        ErrorCase{"Empty", "", kInvalid, "image is empty"},
        ErrorCase{"Gif", "GIF89a", kUnsupported,
                  "image format GIF is not supported"},
        ErrorCase{"Avif", Zeros(3) + "\x1C" + "ftypavif", kUnsupported, "AVIF"},
        ErrorCase{"Video", Zeros(3) + "\x1C" + "ftypisom", kUnsupported, "MP4"},
        ErrorCase{"Tiff", "II*" + Zeros(1), kUnsupported, "TIFF"},
        ErrorCase{"Jpeg2000", Zeros(3) + "\x0CjP  \r\n\x87\n", kUnsupported,
                  "JPEG 2000"},
        ErrorCase{"Dicom", Zeros(128) + "DICM", kUnsupported, "DICOM"},
        ErrorCase{"HtmlInCapitals", "<!DOCTYPE HTML>", kUnsupported, "HTML"},
        ErrorCase{"Wave", "RIFF" + Zeros(4) + "WAVE", kUnsupported, "WAV"},
        ErrorCase{"Base64", "/9j/4AAQSkZJRg", kUnsupported,
                  "base64 text (of a JPEG)"},
        ErrorCase{"DataUrl", "data:image/png;base64,", kUnsupported,
                  "data URL"},
        ErrorCase{"Unknown", "hello world", kUnsupported,
                  "first bytes 68656c6c6f20776f"},
        ErrorCase{"HalfSignature", "\x89PN", kTruncated, "after 3 bytes"},
        ErrorCase{"HalfRiff", "RIFFabcdWE", kTruncated, "after 10 bytes"},
        ErrorCase{"JpegWithoutFrame", Jpeg(""), kInvalid, "no frame header"},
        ErrorCase{"JpegShortFrame", Jpeg(JpegSegment(0xC0, Zeros(5))), kInvalid,
                  "has 5 bytes, under 6"},
        ErrorCase{"JpegLengthOne",
                  "\xFF\xD8\xFF\xE0" + Zeros(1) + "\x01" + kScan, kInvalid,
                  "length 1, under 2"},
        ErrorCase{"JpegLossless", Jpeg(JpegFrame(0xC3, 8, 8)), kUnsupported,
                  "coding process 3"},
        ErrorCase{"Jpeg12Bits", Jpeg(JpegFrame(0xC1, 8, 8, 12)), kUnsupported,
                  "12 bits"},
        ErrorCase{"JpegTwoComponents", Jpeg(JpegFrame(0xC0, 8, 8, 8, 2)),
                  kUnsupported, "2 components"},
        ErrorCase{"JpegZeroHeight", Jpeg(JpegFrame(0xC0, 8, 0)), kInvalid,
                  "image size 8x0 is not positive"},
        ErrorCase{"JpegSide", Jpeg(JpegFrame(0xC0, 16385, 8)), kTooLarge,
                  "image side 16385 is above 16384"},
        ErrorCase{"JpegPixels", Jpeg(JpegFrame(0xC0, 8001, 5000)), kTooLarge,
                  "image pixels 40005000 is above 40000000"},
        ErrorCase{"PngOtherChunkFirst",
                  "\x89PNG\r\n\x1A\n" + PngChunk("IDAT", Zeros(13)), kInvalid,
                  "does not begin with an IHDR"},
        ErrorCase{"PngZeroWidth", Png(0, 8), kInvalid, "0x8"},
        ErrorCase{"PngHuge", Png(0xFFFFFFFF, 0xFFFFFFFF), kTooLarge,
                  "4294967295"},
        ErrorCase{"WebpUnknownChunk", WebP("JUNK", Zeros(10)), kInvalid,
                  "VP8, VP8L or VP8X"},
        ErrorCase{"WebpStartCode", WebP("VP8 ", Zeros(10)), kInvalid,
                  "9d012a is missing"},
        ErrorCase{"WebpLosslessSignature", WebP("VP8L", Zeros(10)), kInvalid,
                  "2f is missing"},
        ErrorCase{"WebpZero", WebP("VP8 ", Vp8(0, 3)), kInvalid, "0x3"},
        ErrorCase{"WebpCanvas", WebP("VP8X", Vp8x(1 << 24, 1 << 24)), kTooLarge,
                  "16777216"},
        ErrorCase{"BmpHeaderSize", Bmp(41, 3, 3), kUnsupported,
                  "header of 41 bytes"},
        ErrorCase{"BmpNegativeWidth", Bmp(40, -3, 3), kInvalid, "-3x3"},
        ErrorCase{"BmpLowestHeight", Bmp(40, 3, INT32_MIN), kTooLarge,
                  "2147483648"}),
    [](const auto& info) { return info.param.name; });

TEST(ReadImageHeader, PutsValueAndBoundIntoTheMetadata) {
  const auto header = ReadImageHeader(Png(30, 20), {.max_pixels = 599});
  const ErrorMetadata metadata = ErrorMetadataOf(header.status());
  EXPECT_EQ(metadata.at("pixels"), "600");
  EXPECT_EQ(metadata.at("max_pixels"), "599");
}

TEST(ReadImageHeader, TakesWhatIsExactlyOnTheBounds) {
  const std::string file = Png(30, 20);
  const auto size = static_cast<int64_t>(file.size());
  EXPECT_TRUE(ReadImageHeader(file, {size, 600, 30}).ok());
  EXPECT_FALSE(ReadImageHeader(file, {size, 600, 29}).ok());
  EXPECT_EQ(ReadImageHeader(file, {size - 1, 600, 30}).status().message(),
            absl::StrCat("image bytes ", size, " is above ", size - 1));
}

// Every cut of every file above: a header that ends too soon is truncated, and
// nothing is read beyond the cut (the sanitizers watch the exact-size copies).
TEST(ReadImageHeader, CallsEveryCutHeaderTruncated) {
  const std::string files[] = {
      Jpeg(JpegSegment(0xE1, kExifPrefix + Exif(true, 6)) +
           JpegFrame(0xC0, 4, 3)),
      Png(4, 3),
      WebP("VP8 ", Vp8(4, 3)),
      WebP("VP8L", Vp8l(4, 3)),
      WebP("VP8X", Vp8x(4, 3)),
      Bmp(40, 4, 3),
      kCoreBmp};
  for (const std::string& file : files) {
    for (size_t size = 1; size < file.size(); ++size) {
      const std::vector<char> cut(file.begin(), file.begin() + size);
      const auto header =
          ReadImageHeader(absl::string_view(cut.data(), cut.size()));
      ASSERT_FALSE(header.ok()) << size;
      EXPECT_EQ(ErrorReason(header.status()), kTruncated) << size;
    }
    EXPECT_TRUE(ReadImageHeader(file).ok());
  }
}

TEST(ReadImageHeader, SurvivesRandomBytesBehindEverySignature) {
  const std::string starts[] = {Jpeg("").substr(0, 4),
                                Jpeg(JpegSegment(0xE1, kExifPrefix)),
                                Png(1, 1),
                                WebP("VP8X", Vp8x(1, 1), "EXIF"),
                                WebP("VP8 ", ""),
                                Bmp(40, 1, 1).substr(0, 14),
                                Jpeg("").substr(0, 3)};
  std::mt19937 random(7);
  std::uniform_int_distribution<int> byte(0, 255);
  std::uniform_int_distribution<int> length(0, 200);
  for (int i = 0; i < 20000; ++i) {
    const std::string& start = starts[i % std::size(starts)];
    std::vector<char> file(start.begin(), start.end());
    for (int more = length(random); more > 0; --more) {
      file.push_back(static_cast<char>(byte(random)));
    }
    const auto header =
        ReadImageHeader(absl::string_view(file.data(), file.size()));
    if (!header.ok()) continue;
    EXPECT_GE(header->orientation, 1);
    EXPECT_LE(header->orientation, 8);
    EXPECT_LE(int64_t{header->width} * header->height, 40'000'000);
  }
}

TEST(ImageFormatName, IsLowerCase) {
  EXPECT_EQ(ImageFormatName(ImageFormat::kJpeg), "jpeg");
  EXPECT_EQ(ImageFormatName(ImageFormat::kPng), "png");
  EXPECT_EQ(ImageFormatName(ImageFormat::kWebp), "webp");
  EXPECT_EQ(ImageFormatName(ImageFormat::kBmp), "bmp");
}

}  // namespace
}  // namespace tandem
