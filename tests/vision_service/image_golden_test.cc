// Every picture of tests/data/images decoded and cut into tiles, against the
// checksums of what Pillow 12.0.0 made of them; every file of
// tests/data/bad_images refused for the reason that it was made for. Both were
// written by tests/reference.
#include <string>
#include <vector>

#include "absl/strings/match.h"
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

struct Golden {
  std::string file;
  int width, height;
  int max_tiles;
  TileGrid grid;
  std::string rgb_crc32;
  std::vector<std::string> tile_crc32;
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

void ExpectDecodesAndTilesLikePillow(const Golden& golden) {
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

// A test a format, not a file: each test of ctest is a process, and loading
// OpenCV takes far longer than a picture.
class ImageGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(ImageGoldenTest, DecodesAndTilesLikePillow) {
  int num_files = 0;
  for (const Golden& golden : ReadGoldens()) {
    if (!absl::StartsWith(golden.file, GetParam() + "_")) continue;
    SCOPED_TRACE(golden.file);
    ExpectDecodesAndTilesLikePillow(golden);
    ++num_files;
  }
  EXPECT_GE(num_files, 20);
}
INSTANTIATE_TEST_SUITE_P(Formats, ImageGoldenTest,
                         testing::Values("jpeg", "png", "webp", "bmp"),
                         [](const auto& info) { return info.param; });

TEST(BadImageTest, RefusesEachForItsReason) {
  const nlohmann::json images = ReadManifest(kBadFolder);
  EXPECT_GE(images.size(), 90u);
  for (const auto& bad : images) {
    const std::string file = bad.at("file");
    SCOPED_TRACE(file);
    const auto image = DecodeImage(ReadFile(kBadFolder + file), {});
    ASSERT_FALSE(image.ok());
    EXPECT_EQ(image.status().code(), absl::StatusCode::kInvalidArgument);
    std::vector<std::string> reasons = bad.at("also");
    reasons.push_back(bad.at("reason"));
    EXPECT_THAT(reasons, testing::Contains(ErrorReason(image.status())))
        << image.status();
  }
}

}  // namespace
}  // namespace tandem
