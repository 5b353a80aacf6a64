#include "common/base64.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

std::string RandomBytes(size_t size, std::mt19937& random) {
  std::string bytes(size, 0);
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::string WithoutPadding(std::string text) {
  while (!text.empty() && text.back() == '=') text.pop_back();
  return text;
}

absl::StatusOr<std::string> Decode(absl::string_view text) {
  std::string bytes;
  absl::Status status = DecodeBase64(text, bytes);
  if (!status.ok()) return status;
  return bytes;
}

// Both decoders must agree, in bytes or in words.
void ExpectSame(absl::string_view text) {
  std::string fast = "before", plain = "other";
  const absl::Status fast_status = DecodeBase64(text, fast);
  const absl::Status plain_status = DecodeBase64ByTable(text, plain);
  EXPECT_EQ(fast_status, plain_status) << text;
  EXPECT_EQ(fast, plain) << text;
}

TEST(Base64, DecodesTheExamplesOfTheStandard) {
  const std::vector<std::pair<std::string, std::string>> examples = {
      {"", ""},
      {"Zg==", "f"},
      {"Zm8=", "fo"},
      {"Zm9v", "foo"},
      {"Zm9vYg==", "foob"},
      {"Zm9vYmE=", "fooba"},
      {"+/+/", "\xFB\xFF\xBF"},
      {"Zm9vYmFy", "foobar"}};
  for (const auto& [text, bytes] : examples) {
    EXPECT_EQ(Decode(text).value(), bytes) << text;
    EXPECT_EQ(Decode(WithoutPadding(text)).value(), bytes) << text;
    EXPECT_EQ(Base64DecodedBytes(text).value(), bytes.size()) << text;
  }
}

TEST(Base64, DecodesRandomBytesOfEveryLengthWithAndWithoutPadding) {
  std::mt19937 random(1);
  for (size_t size = 0; size < 600; ++size) {
    const std::string bytes = RandomBytes(size, random);
    const std::string text = absl::Base64Escape(bytes);
    ASSERT_EQ(Decode(text).value(), bytes) << size;
    ASSERT_EQ(Decode(WithoutPadding(text)).value(), bytes) << size;
    ASSERT_EQ(Base64DecodedBytes(text).value(), size);
    ASSERT_EQ(Base64DecodedBytes(WithoutPadding(text)).value(), size);
    ExpectSame(text);
  }
}

TEST(Base64, DecodesLargeInputInOnePieceAcrossItsSteps) {
  std::mt19937 random(2);
  for (const size_t size : {24575u, 24576u, 24577u, 49153u, 1'000'003u}) {
    const std::string bytes = RandomBytes(size, random);
    ASSERT_TRUE(Decode(absl::Base64Escape(bytes)).value() == bytes) << size;
  }
}

// 32 characters are one vector, so the first three and the rest of a text of
// 140 are every kind of place that a byte can have.
TEST(Base64, NamesEveryByteThatIsNoDigitAtEveryPlace) {
  constexpr absl::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::mt19937 random(3);
  const std::string good = absl::Base64Escape(RandomBytes(105, random));
  ASSERT_EQ(good.size(), 140u);
  for (size_t place = 0; place + 2 < good.size(); ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = good;
      text[place] = static_cast<char>(byte);
      const bool is_digit =
          kAlphabet.find(static_cast<char>(byte)) != absl::string_view::npos;
      const auto bytes = Decode(text);
      ASSERT_EQ(bytes.ok(), is_digit) << byte << " at " << place;
      ExpectSame(text);
      if (is_digit) continue;
      EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_NE(bytes.status().message().find(absl::StrCat(" at ", place, " ")),
                absl::string_view::npos)
          << bytes.status();
    }
  }
}

TEST(Base64, DecodesEveryPairOfDigitsInEveryLane) {
  constexpr absl::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t turn = 0; turn < kAlphabet.size(); ++turn) {
    std::string text(kAlphabet);
    std::rotate(text.begin(), text.begin() + turn, text.end());
    text += text;
    std::string want;
    ASSERT_TRUE(absl::Base64Unescape(text, &want));
    ASSERT_EQ(Decode(text).value(), want) << turn;
  }
}

TEST(Base64, RefusesLengthsThatNoTextHas) {
  for (const char* text : {"A", "AAAAA", "QQ=", "=",
                           "==", "====", "QUI==", "QUJD=", "QUJD==", "Q==="}) {
    const auto bytes = Decode(text);
    EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument)
        << text;
    ExpectSame(text);
  }
  EXPECT_FALSE(Base64DecodedBytes("AAAAA").ok());
  EXPECT_FALSE(Base64DecodedBytes("QQ=").ok());
}

TEST(Base64, RefusesWhiteSpaceTheUrlAlphabetAndPaddingInside) {
  for (const char* text : {"QUJD\n", "QU JD", " QUJ", "QUJDQ-__", "QQ==QUJD",
                           "QU=D", "QUJ\x80", "=QUJ"}) {
    EXPECT_FALSE(Decode(text).ok()) << text;
    ExpectSame(text);
  }
  EXPECT_FALSE(Decode(absl::string_view("QU\0D", 4)).ok());
}

TEST(Base64, IgnoresTheBitsThatTheLastGroupHasTooMany) {
  EXPECT_EQ(Decode("QR==").value(), "A");
  EXPECT_EQ(Decode("QUK=").value(), "AB");
  EXPECT_EQ(Decode("QUK").value(), "AB");
}

TEST(Base64, LeavesNothingOfAnEarlierCallAndNothingAfterAnError) {
  std::string out = "a long text that was there before";
  ASSERT_TRUE(DecodeBase64("QQ==", out).ok());
  EXPECT_EQ(out, "A");
  EXPECT_FALSE(
      DecodeBase64("QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD!UJD", out)
          .ok());
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace tandem
