// Every picture of tests/data/images decoded and cut into tiles, against the
// checksums of what Pillow 12.0.0 made of them; every file of
// tests/data/bad_images refused for the reason that it was made for. Both were
// written by tests/reference.
#include <ostream>
#include <string>
#include <vector>

#include "common/errors.h"
#include "common/image_header.h"
#include "common/tile_grid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/vision_service/test_images.h"
#include "vision_service/image_decoder.h"
#include "vision_service/tiles.h"

namespace tandem {
namespace {

constexpr char kFolder[] = TANDEM_TEST_DATA "/images/";
constexpr char kBadFolder[] = TANDEM_TEST_DATA "/bad_images/";

nlohmann::json ReadManifest(const std::string& folder) {
  return nlohmann::json::parse(ReadFile(folder + "manifest.json")).at("images");
}

// "jpeg_q1.jpg" is test "jpeg_q1".
std::string TestName(const std::string& file) {
  return file.substr(0, file.find('.'));
}

struct Golden {
  std::string file;
  int width, height;
  int max_tiles;
  TileGrid grid;
  std::string rgb_crc32;
  std::vector<std::string> tile_crc32;
  friend std::ostream& operator<<(std::ostream& os, const Golden& golden) {
    return os << golden.file;
  }
};

std::vector<Golden> ReadGoldens() {
  std::vector<Golden> goldens;
  for (const auto& image : ReadManifest(kFolder)) {
    goldens.push_back({image.at("file"), image.at("width"), image.at("height"),
                       image.at("max_tiles"),
                       TileGrid{image.at("columns"), image.at("rows")},
                       image.at("rgb_crc32"), image.at("tile_crc32")});
  }
  return goldens;
}

class ImageGoldenTest : public testing::TestWithParam<Golden> {};

TEST_P(ImageGoldenTest, DecodesAndTilesLikePillow) {
  const Golden& golden = GetParam();
  const std::string file = ReadFile(kFolder + golden.file);

  const auto header = ReadImageHeader(file);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->width, golden.width);
  EXPECT_EQ(header->height, golden.height);

  const auto image = DecodeImage(file, {});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->width, golden.width);
  EXPECT_EQ(image->height, golden.height);
  EXPECT_EQ(Crc32Hex(*image), golden.rgb_crc32);

  const auto grid =
      ChooseTileGrid(golden.width, golden.height, 448, golden.max_tiles);
  ASSERT_TRUE(grid.ok()) << grid.status();
  ASSERT_EQ(*grid, golden.grid);
  std::vector<std::string> tile_crc32;
  for (const RgbImage& tile : CutTiles(*image, *grid, 448)) {
    tile_crc32.push_back(Crc32Hex(tile));
  }
  EXPECT_EQ(tile_crc32, golden.tile_crc32);
}

INSTANTIATE_TEST_SUITE_P(Files, ImageGoldenTest,
                         testing::ValuesIn(ReadGoldens()),
                         [](const auto& info) {
                           return TestName(info.param.file);
                         });

struct BadImage {
  std::string file;
  std::vector<std::string> reasons;  // any of them
  friend std::ostream& operator<<(std::ostream& os, const BadImage& image) {
    return os << image.file;
  }
};

std::vector<BadImage> ReadBadImages() {
  std::vector<BadImage> images;
  for (const auto& image : ReadManifest(kBadFolder)) {
    images.push_back({image.at("file"), image.at("also")});
    images.back().reasons.push_back(image.at("reason"));
  }
  return images;
}

class BadImageTest : public testing::TestWithParam<BadImage> {};

TEST_P(BadImageTest, IsRefusedForItsReason) {
  const auto image = DecodeImage(ReadFile(kBadFolder + GetParam().file), {});
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(GetParam().reasons,
              testing::Contains(ErrorReason(image.status())))
      << image.status();
}
INSTANTIATE_TEST_SUITE_P(Files, BadImageTest,
                         testing::ValuesIn(ReadBadImages()),
                         [](const auto& info) {
                           return TestName(info.param.file);
                         });

}  // namespace
}  // namespace tandem
