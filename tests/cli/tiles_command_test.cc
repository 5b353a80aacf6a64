#include "cli/tiles_command.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/vision_service/golden.h"
#include "vision_service/image_decoder.h"
#include "vision_service/png_encoder.h"
#include "vision_service/tiles.h"

namespace tandem {
namespace {

using testing::HasSubstr;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class TilesCommandTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "tiles_" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
    command_.image = {root_ + "/picture.png"};
    command_.out = root_ + "/a/b";
    const auto png = EncodePng(SyntheticImage(700, 340));
    ASSERT_TRUE(png.ok());
    std::ofstream(command_.image[0], std::ios::binary) << *png;
  }
  std::set<std::string> Files() const {
    std::set<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(command_.out)) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  std::string root_;
  TilesCommand command_;
};

TEST_F(TilesCommandTest, WritesTheTilesInPromptOrderTheThumbnailLast) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(RunTiles(command_), 0);
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              HasSubstr("700 x 340 png -> 2 x 1 tiles"));
  EXPECT_THAT(Files(), testing::ElementsAre("tile_00.png", "tile_01.png",
                                            "tile_02.png"));
  const std::vector<RgbImage> want =
      CutTiles(SyntheticImage(700, 340), {.columns = 2, .rows = 1}, 448);
  for (int i = 0; i < 3; ++i) {
    const auto tile = DecodeImage(
        ReadAll(command_.out + "/tile_0" + std::to_string(i) + ".png"), {});
    ASSERT_TRUE(tile.ok()) << tile.status();
    EXPECT_EQ(tile->pixels, want[i].pixels) << i;
  }
}

TEST_F(TilesCommandTest, OneTileNeedsNoThumbnail) {
  command_.max_tiles = 1;
  EXPECT_EQ(RunTiles(command_), 0);
  EXPECT_THAT(Files(), testing::ElementsAre("tile_00.png"));
}

TEST_F(TilesCommandTest, WrongFilesAreOneLineAndExit78) {
  for (const std::string& image :
       {std::string("/nowhere/x.png"), std::string(TANDEM_TEST_DATA),
        std::string(TANDEM_TEST_DATA "/bad_images/png_20000x20000.bin"),
        std::string(TANDEM_TEST_DATA "/bad_images/jpeg_cut_50.bin"),
        std::string(TANDEM_TEST_DATA "/bad_images/empty.bin")}) {
    command_.image = {image};
    testing::internal::CaptureStderr();
    EXPECT_EQ(RunTiles(command_), 78) << image;
    const std::string error = testing::internal::GetCapturedStderr();
    EXPECT_THAT(error, testing::StartsWith("tandem tiles: "));
    EXPECT_EQ(error.find('\n'), error.size() - 1) << error;
    EXPECT_FALSE(std::filesystem::exists(command_.out));
  }
}

TEST_F(TilesCommandTest, AFolderThatCannotBeMadeIsAnError) {
  command_.out = command_.image[0] + "/below/a/file";
  EXPECT_EQ(RunTiles(command_), 78);
}

TEST_F(TilesCommandTest, TakesOnePicture) {
  command_.image.push_back(command_.image[0]);
  EXPECT_EQ(RunTiles(command_), 78);
}

}  // namespace
}  // namespace tandem
