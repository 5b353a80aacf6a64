#include "vision_service/image_integrity.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/vision_service/test_images.h"

namespace tandem {
namespace {

using testing::HasSubstr;

const std::string kScan("\xFF\xDA\0\4ab\x12\xFF\0\x34\xFF\xD0\x56", 13);
const std::string kEnd = "\xFF\xD9";

absl::Status CheckJpeg(const std::string& segments) {
  return CheckImageIsWhole("\xFF\xD8" + segments, ImageFormat::kJpeg);
}
absl::Status CheckPng(const std::string& chunks) {
  return CheckImageIsWhole("\x89PNG\r\n\x1A\n" + chunks, ImageFormat::kPng);
}

TEST(CheckImageIsWhole, WantsTheEndMarkerOfAJpeg) {
  EXPECT_TRUE(CheckJpeg(kScan + kEnd).ok());
  EXPECT_EQ(ErrorReason(CheckJpeg(kScan)), reason::kImageTruncated);
  EXPECT_EQ(ErrorReason(CheckJpeg(kScan + "\xFF")), reason::kImageTruncated);
}

TEST(CheckImageIsWhole, IgnoresWhatFollowsTheEndOfAJpeg) {
  EXPECT_TRUE(CheckJpeg(kScan + kEnd + "trailing").ok());
}

// FFD9 within a segment is data, and so is FF00 within a scan.
TEST(CheckImageIsWhole, FindsTheEndOfAJpegByStructure) {
  const std::string comment("\xFF\xFE\0\4\xFF\xD9", 6);
  EXPECT_FALSE(CheckJpeg(kScan + comment).ok());
  EXPECT_TRUE(CheckJpeg(kScan + comment + kEnd).ok());
  EXPECT_FALSE(CheckJpeg(kScan + std::string("\xFF\0\xD9", 3)).ok());
}

TEST(CheckImageIsWhole, BoundsTheScansOfAJpeg) {
  std::string scans;
  for (int i = 0; i < kMaxJpegScans; ++i) scans += kScan;
  EXPECT_TRUE(CheckJpeg(scans + kEnd).ok());
  const absl::Status status = CheckJpeg(scans + kScan + kEnd);
  EXPECT_EQ(ErrorReason(status), reason::kImageInvalid);
  EXPECT_EQ(status.message(), "JPEG has more than 100 scans");
}

TEST(CheckImageIsWhole, WantsTheLastChunkOfAPng) {
  const std::string pixels = MakePngChunk("IDAT", "pixels");
  EXPECT_TRUE(CheckPng(pixels + MakePngChunk("IEND", "")).ok());
  EXPECT_TRUE(CheckPng(pixels + MakePngChunk("IEND", "") + "trailing").ok());
  EXPECT_EQ(ErrorReason(CheckPng(pixels)), reason::kImageTruncated);
  EXPECT_EQ(ErrorReason(CheckPng(pixels + "\x7F\xFF")),
            reason::kImageTruncated);
}

TEST(CheckImageIsWhole, WantsPixelsInAPng) {
  const absl::Status status = CheckPng(MakePngChunk("IEND", ""));
  EXPECT_EQ(ErrorReason(status), reason::kImageInvalid);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no IDAT"));
}

TEST(CheckImageIsWhole, NamesThePngChunkWhoseCrcIsWrong) {
  std::string pixels = MakePngChunk("IDAT", "pixels");
  pixels[8] ^= 1;
  const absl::Status status = CheckPng(pixels + MakePngChunk("IEND", ""));
  EXPECT_EQ(ErrorReason(status), reason::kImageInvalid);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("PNG chunk IDAT at byte 8: CRC is "));
}

TEST(CheckImageIsWhole, WantsAsManyBytesAsAWebPAnnounces) {
  const std::string file("RIFF\6\0\0\0WEBPab", 14);
  EXPECT_TRUE(CheckImageIsWhole(file, ImageFormat::kWebp).ok());
  EXPECT_TRUE(CheckImageIsWhole(file + "trailing", ImageFormat::kWebp).ok());
  const absl::Status status =
      CheckImageIsWhole(file.substr(0, 13), ImageFormat::kWebp);
  EXPECT_EQ(ErrorReason(status), reason::kImageTruncated);
  EXPECT_EQ(status.message(), "WebP of 14 bytes ends too soon, after 13 bytes");
}

}  // namespace
}  // namespace tandem
