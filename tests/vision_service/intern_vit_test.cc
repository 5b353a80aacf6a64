#include "vision_service/intern_vit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/errors.h"
#include "tests/common/tiny_model.h"
#include "tests/vision_service/golden.h"

namespace tandem {
namespace {

// A source with one tensor's first value replaced.
class Poisoned final : public WeightSource {
 public:
  Poisoned(const WeightSource& source, std::string name, float value)
      : source_(source), name_(std::move(name)), value_(value) {}
  bool Has(absl::string_view name) const override { return source_.Has(name); }
  absl::StatusOr<std::vector<int64_t>> Shape(
      absl::string_view name) const override {
    return source_.Shape(name);
  }
  absl::Status ReadRows(absl::string_view name, int64_t first_row,
                        int64_t num_rows, DType dtype,
                        void* out) const override {
    const absl::Status read =
        source_.ReadRows(name, first_row, num_rows, dtype, out);
    if (name == name_ && first_row == 0 && num_rows > 0) {
      *static_cast<float*>(out) = value_;
    }
    return read;
  }
  absl::StatusOr<std::string> VisionFingerprint() const override {
    return source_.VisionFingerprint();
  }

 private:
  const WeightSource& source_;
  const std::string name_;
  const float value_;
};

struct Variant {
  std::string name;
  bool large_family;
  DType dtype;
  friend std::ostream& operator<<(std::ostream& os, const Variant& v) {
    return os << v.name;
  }
};
class InternVitVariantTest : public testing::TestWithParam<Variant> {
 protected:
  const ModelConfig config_ = TinyConfig(GetParam().large_family);
  const std::unique_ptr<WeightSource> source_ = MakeRandomWeights(config_, 1);
  const RgbImage first_ = SyntheticImage(8, 8);
  const RgbImage second_ = [] {
    RgbImage image = SyntheticImage(8, 8);
    for (uint8_t& value : image.pixels) value = 255 - value;
    return image;
  }();
};

TEST_P(InternVitVariantTest, ATileDoesNotDependOnOthers) {
  const auto encoder =
      MakeVisionEncoder(*source_, config_, {.dtype = GetParam().dtype});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto alone = (*encoder)->Encode(first_);
  ASSERT_TRUE(alone.ok()) << alone.status();
  const auto other = (*encoder)->Encode(second_);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_NE(*alone, *other);
  EXPECT_EQ(*(*encoder)->Encode(first_), *alone);
  const auto fresh =
      MakeVisionEncoder(*source_, config_, {.dtype = GetParam().dtype});
  ASSERT_TRUE(fresh.ok()) << fresh.status();
  EXPECT_EQ(*(*fresh)->Encode(first_), *alone);
}

TEST_P(InternVitVariantTest, FormatSaysWhatComes) {
  const auto encoder = MakeVisionEncoder(
      *source_, config_, {.dtype = GetParam().dtype, .fingerprint = "f00d"});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const EmbeddingFormat& format = (*encoder)->format();
  EXPECT_EQ(format.dtype, GetParam().dtype);
  EXPECT_EQ(format.tokens_per_tile, 4);
  EXPECT_EQ(format.hidden_size, 6);
  EXPECT_EQ(format.fingerprint, "f00d");
  EXPECT_EQ((*encoder)->Encode(first_)->size(), format.tile_bytes());
}

INSTANTIATE_TEST_SUITE_P(
    Variants, InternVitVariantTest,
    testing::Values(Variant{"SmallFloat32", false, DType::kFloat32},
                    Variant{"SmallBFloat16", false, DType::kBFloat16},
                    Variant{"LargeFloat32", true, DType::kFloat32},
                    Variant{"LargeBFloat16", true, DType::kBFloat16}),
    [](const auto& info) { return info.param.name; });

class InternVitErrorTest : public testing::Test {
 protected:
  absl::StatusOr<std::string> EncodePoisoned(const std::string& tensor,
                                             float value) {
    const Poisoned poisoned(*source_, tensor, value);
    const auto encoder =
        MakeVisionEncoder(poisoned, config_, {.dtype = DType::kFloat32});
    if (!encoder.ok()) return encoder.status();
    return (*encoder)->Encode(SyntheticImage(8, 8));
  }
  ModelConfig config_ = TinyConfig();
  const std::unique_ptr<WeightSource> source_ = MakeRandomWeights(config_, 1);
};

TEST_F(InternVitErrorTest, NanAndInfinityAreNumericFaults) {
  ASSERT_TRUE(EncodePoisoned("mlp1.3.bias", 1.0f).ok());
  for (float value : {std::numeric_limits<float>::quiet_NaN(),
                      std::numeric_limits<float>::infinity(),
                      -std::numeric_limits<float>::infinity()}) {
    const absl::Status status = EncodePoisoned("mlp1.3.bias", value).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(ErrorReason(status), reason::kNumericFault);
  }
  EXPECT_EQ(ErrorReason(EncodePoisoned("vision_model.encoder.layers.0.ls1",
                                       std::nanf(""))
                            .status()),
            reason::kNumericFault);
}

TEST_F(InternVitErrorTest, TileOfAnotherSizeIsOurMistake) {
  const auto encoder =
      MakeVisionEncoder(*source_, config_, {.dtype = DType::kFloat32});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  EXPECT_EQ((*encoder)->Encode(SyntheticImage(8, 10)).status().code(),
            absl::StatusCode::kInternal);
}

TEST_F(InternVitErrorTest, PositionsOfAnotherGridAreRefused) {
  ModelConfig larger = config_;
  larger.vision.image_size = 16;
  const auto encoder =
      MakeVisionEncoder(*source_, larger, {.dtype = DType::kFloat32});
  EXPECT_EQ(encoder.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(encoder.status().message()),
              testing::HasSubstr("position_embedding"));
}

TEST_F(InternVitErrorTest, MissingTensorIsNamed) {
  ModelConfig deeper = config_;
  deeper.vision.num_layers = 3;
  const auto encoder =
      MakeVisionEncoder(*source_, deeper, {.dtype = DType::kFloat32});
  EXPECT_EQ(encoder.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(encoder.status().message()),
              testing::HasSubstr("layers.2."));
}

TEST_F(InternVitErrorTest, WrongOptionsAreRefused) {
  EXPECT_EQ(MakeVisionEncoder(*source_, config_, {.dtype = DType::kFloat16})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
  const absl::Status device =
      MakeVisionEncoder(*source_, config_, {.device = "abacus"}).status();
  EXPECT_EQ(device.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(device.message()), testing::HasSubstr("abacus"));
}

}  // namespace
}  // namespace tandem
