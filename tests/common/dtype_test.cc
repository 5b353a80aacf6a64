#include "common/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "common/convert_values.h"

namespace tandem {
namespace {

TEST(DTypeTest, NamesAreReadBack) {
  for (DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
    const auto parsed = ParseDType(DTypeName(dtype));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, dtype);
  }
  EXPECT_EQ(ParseDType("int8").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(DTypeTest, WireKnowsTwoTypes) {
  EXPECT_EQ(ToProto(DType::kFloat16), v1::DTYPE_UNSPECIFIED);
  EXPECT_EQ(*FromProto(ToProto(DType::kFloat32)), DType::kFloat32);
  EXPECT_EQ(*FromProto(ToProto(DType::kBFloat16)), DType::kBFloat16);
  EXPECT_FALSE(FromProto(v1::DTYPE_UNSPECIFIED).ok());
}

float FromBits(uint32_t bits) { return std::bit_cast<float>(bits); }

uint16_t RoundToBFloat16(float value) {
  uint16_t out = 0;
  ConvertValues(&value, DType::kFloat32, 1, DType::kBFloat16, &out);
  return out;
}

struct RoundingCase {
  std::string name;
  uint32_t in;
  uint16_t want;
  friend std::ostream& operator<<(std::ostream& os, const RoundingCase& c) {
    return os << c.name;
  }
};
class RoundingTest : public testing::TestWithParam<RoundingCase> {};

TEST_P(RoundingTest, RoundsToNearestEven) {
  EXPECT_EQ(RoundToBFloat16(FromBits(GetParam().in)), GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(
    Values, RoundingTest,
    testing::Values(RoundingCase{"Exact", 0x3f800000, 0x3f80},
                    RoundingCase{"BelowHalf", 0x3f807fff, 0x3f80},
                    RoundingCase{"TieToEvenDown", 0x3f808000, 0x3f80},
                    RoundingCase{"AboveHalf", 0x3f808001, 0x3f81},
                    RoundingCase{"TieToEvenUp", 0x3f818000, 0x3f82},
                    RoundingCase{"NegativeZero", 0x80000000, 0x8000},
                    RoundingCase{"Subnormal", 0x00018000, 0x0002},
                    RoundingCase{"LargestBecomesInfinite", 0x7f7fffff, 0x7f80},
                    RoundingCase{"Infinite", 0xff800000, 0xff80},
                    RoundingCase{"NanWithLowPayload", 0x7f800001, 0x7fc0}),
    [](const auto& info) { return info.param.name; });

// The meaning of all 65,536 half-precision numbers, by definition.
TEST(ConvertValuesTest, Float16MeansWhatIeeeSays) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    float got = 0;
    ConvertValues(&half, DType::kFloat16, 1, DType::kFloat32, &got);
    const int exponent = (bits >> 10) & 31;
    const int mantissa = bits & 1023;
    const float sign = bits & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(got), mantissa != 0) << bits;
      EXPECT_EQ(std::isinf(got), mantissa == 0) << bits;
      EXPECT_EQ(std::signbit(got), sign < 0) << bits;
      continue;
    }
    const float want =
        exponent == 0 ? sign * std::ldexp(static_cast<float>(mantissa), -24)
                      : sign * std::ldexp(1024.0f + mantissa, exponent - 25);
    EXPECT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(want));
  }
}

TEST(ConvertValuesTest, BFloat16SurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto in = static_cast<uint16_t>(bits);
    float wide = 0;
    ConvertValues(&in, DType::kBFloat16, 1, DType::kFloat32, &wide);
    if (std::isnan(wide)) continue;
    EXPECT_EQ(RoundToBFloat16(wide), in);
  }
}

TEST(ConvertValuesTest, EveryPairAgreesWithTheWayThroughFloat32) {
  std::mt19937 random(7);
  std::vector<float> values(1000);
  for (float& value : values) {
    value = std::normal_distribution<float>(0, 3)(random);
  }
  std::vector<uint16_t> halves(values.size());
  for (uint16_t& half : halves) half = random() % 0x7c00;
  std::vector<float> wide(values.size());
  ConvertValues(halves.data(), DType::kFloat16, wide.size(), DType::kFloat32,
                wide.data());
  std::vector<uint16_t> direct(values.size());
  ConvertValues(halves.data(), DType::kFloat16, wide.size(), DType::kBFloat16,
                direct.data());
  for (size_t i = 0; i < wide.size(); ++i) {
    EXPECT_EQ(direct[i], RoundToBFloat16(wide[i]));
  }
  std::vector<float> copy(values.size());
  ConvertValues(values.data(), DType::kFloat32, values.size(), DType::kFloat32,
                copy.data());
  EXPECT_EQ(copy, values);
}

}  // namespace
}  // namespace tandem
