#include "gateway/data_url.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

absl::StatusOr<std::string> Decode(absl::string_view text) {
  absl::StatusOr<DataUrl> url = ParseDataUrl(text);
  if (!url.ok()) return url.status();
  absl::Status status = CheckEncodedBytes(*url, ImageLimits());
  std::string image;
  if (status.ok()) status = DecodeDataUrl(*url, image);
  if (!status.ok()) return status;
  return image;
}

TEST(DataUrl, TellsTheTypeAndTheBytesOfTheFourFormats) {
  for (const char* type : {"jpeg", "png", "webp", "bmp"}) {
    const std::string text =
        absl::StrCat("data:image/", type, ";base64,iVBORw==");
    const auto url = ParseDataUrl(text);
    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_EQ(url->mime_type, absl::StrCat("image/", type));
    EXPECT_EQ(url->base64, "iVBORw==");
    EXPECT_EQ(Decode(text).value(), "\x89PNG");
  }
}

TEST(DataUrl, KnowsJpgAndEveryCase) {
  const auto url = ParseDataUrl("DATA:Image/JPG;Base64,QQ==");
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->mime_type, "image/jpeg");
}

TEST(DataUrl, IgnoresParameters) {
  const auto url =
      ParseDataUrl("data:image/png;name=a.png;charset=utf-8;base64,QQ==");
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->mime_type, "image/png");
  EXPECT_EQ(url->base64, "QQ==");
}

struct BadUrlCase {
  std::string name, url, reason, word;
  friend std::ostream& operator<<(std::ostream& os, const BadUrlCase& c) {
    return os << c.url;
  }
};
class BadUrlTest : public testing::TestWithParam<BadUrlCase> {};

TEST_P(BadUrlTest, IsRefusedWithItsReason) {
  const BadUrlCase& c = GetParam();
  const absl::Status status = Decode(c.url).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(ErrorReason(status), c.reason) << status;
  EXPECT_NE(status.message().find(c.word), absl::string_view::npos) << status;
}
INSTANTIATE_TEST_SUITE_P(
    Urls, BadUrlTest,
    testing::Values(
        BadUrlCase{"Empty", "", "FIELD_INVALID", "not a URL"},
        BadUrlCase{"PlainText", "cat.png", "FIELD_INVALID", "not a URL"},
        BadUrlCase{"Base64Alone", "iVBORw==", "FIELD_INVALID", "not a URL"},
        BadUrlCase{"File", "file:///etc/passwd", "FIELD_INVALID", "file:"},
        BadUrlCase{"Ftp", "ftp://a/b.png", "FIELD_INVALID", "ftp:"},
        BadUrlCase{"Javascript", "JavaScript:1", "FIELD_INVALID",
                   "javascript:"},
        BadUrlCase{"NoHost", "http:cat.png", "FIELD_INVALID", "host"},
        BadUrlCase{"Http", "http://169.254.169.254/latest",
                   "UNSUPPORTED_PARAMETER", "remote images are off"},
        BadUrlCase{"Https", "HTTPS://example.com/a.png",
                   "UNSUPPORTED_PARAMETER", "remote images are off"},
        BadUrlCase{"NoComma", "data:image/png;base64", "FIELD_INVALID",
                   "comma"},
        BadUrlCase{"LateComma",
                   "data:image/png;" + std::string(300, 'a') + ";base64,QQ==",
                   "FIELD_INVALID", "comma"},
        BadUrlCase{"NotBase64", "data:image/png,QQ==", "FIELD_INVALID",
                   "base64"},
        BadUrlCase{"Base64NotLast",
                   "data:image/png;base64;a=b,QQ==", "FIELD_INVALID", "base64"},
        BadUrlCase{"Gif", "data:image/gif;base64,QQ==",
                   "IMAGE_UNSUPPORTED_FORMAT", "image/gif"},
        BadUrlCase{"Svg", "data:image/svg+xml;base64,QQ==",
                   "IMAGE_UNSUPPORTED_FORMAT", "image/svg+xml"},
        BadUrlCase{"NoType", "data:;base64,QQ==", "IMAGE_UNSUPPORTED_FORMAT",
                   "image/jpeg"},
        BadUrlCase{"Octets", "data:application/octet-stream;base64,QQ==",
                   "IMAGE_UNSUPPORTED_FORMAT", "octet-stream"},
        BadUrlCase{"NoData", "data:image/png;base64,", "IMAGE_INVALID",
                   "no data"},
        BadUrlCase{"Length", "data:image/png;base64,A", "IMAGE_INVALID",
                   "ends early"},
        BadUrlCase{"UrlAlphabet", "data:image/png;base64,QQ-_", "IMAGE_INVALID",
                   "0x2D at 2"},
        BadUrlCase{"WhiteSpace", "data:image/png;base64, QQ=", "IMAGE_INVALID",
                   "0x20 at 0"},
        BadUrlCase{"Percent", "data:image/png;base64,QQ%3D%3D", "IMAGE_INVALID",
                   "0x25 at 2"}),
    [](const auto& info) { return info.param.name; });

TEST(DataUrl, DoesNotRepeatARemoteUrlInItsError) {
  const absl::Status status =
      ParseDataUrl("https://user:secret@example.com/a?token=secret").status();
  EXPECT_EQ(status.message().find("secret"), absl::string_view::npos);
}

TEST(DataUrl, KeepsRemoteUrlsApart) {
  const std::string text = "https://user@example.com:8443/a/b.png?c#d";
  const auto url = ParseImageUrl(text);
  ASSERT_TRUE(url.ok()) << url.status();
  const RemoteUrl& remote = std::get<RemoteUrl>(*url);
  EXPECT_EQ(remote.scheme, "https");
  EXPECT_EQ(remote.authority, "user@example.com:8443");
  EXPECT_EQ(std::get<RemoteUrl>(*ParseImageUrl("http://host")).authority,
            "host");
}

TEST(DataUrl, IsJudgedByItsLengthBeforeAnythingIsDecoded) {
  ImageLimits limits;
  limits.max_bytes = 6;
  // Not base64: nobody has looked.
  EXPECT_TRUE(CheckEncodedBytes({"image/png", "********"}, limits).ok());
  EXPECT_TRUE(CheckEncodedBytes({"image/png", "*******="}, limits).ok());
  const absl::Status large =
      CheckEncodedBytes({"image/png", "**********"}, limits);
  EXPECT_EQ(ErrorReason(large), reason::kImageTooLarge);
  EXPECT_NE(large.message().find("7"), absl::string_view::npos) << large;
}

TEST(DataUrl, MayHaveTwentyMebibytesAndNotAByteMore) {
  const std::string bytes(20 << 20, 'x');
  const std::string head = "data:image/png;base64,";
  EXPECT_EQ(Decode(head + absl::Base64Escape(bytes)).value().size(),
            bytes.size());
  const auto more = Decode(head + absl::Base64Escape(bytes + "x"));
  EXPECT_EQ(ErrorReason(more.status()), reason::kImageTooLarge);
}

}  // namespace
}  // namespace tandem
