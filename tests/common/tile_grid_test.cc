#include "common/tile_grid.h"

#include <ostream>
#include <string>

#include "gtest/gtest.h"
#include "tests/common/goldens.h"

namespace tandem {
namespace {

struct TileGridCase {
  std::string name;
  int width, height, max_tiles;
  TileGrid want;
  friend std::ostream& operator<<(std::ostream& os, const TileGridCase& c) {
    return os << c.width << "x" << c.height << " max " << c.max_tiles;
  }
};
class TileGridTest : public testing::TestWithParam<TileGridCase> {};

TEST_P(TileGridTest, PicksNearestAspectRatio) {
  const TileGridCase& c = GetParam();
  const auto grid = ChooseTileGrid(c.width, c.height, 448, c.max_tiles);
  ASSERT_TRUE(grid.ok()) << grid.status();
  EXPECT_EQ(grid->columns, c.want.columns);
  EXPECT_EQ(grid->rows, c.want.rows);
}

// The worked examples of InternVL's dynamic preprocessing.
INSTANTIATE_TEST_SUITE_P(
    Shapes, TileGridTest,
    testing::Values(TileGridCase{"OneTile", 448, 448, 12, {1, 1}},
                    TileGridCase{"OnePixel", 1, 1, 40, {1, 1}},
                    TileGridCase{"BelowHalfTheArea", 633, 633, 12, {1, 1}},
                    TileGridCase{"AboveHalfTheArea", 634, 634, 12, {2, 2}},
                    TileGridCase{"Square1000At6", 1000, 1000, 6, {2, 2}},
                    TileGridCase{"Square1000At12", 1000, 1000, 12, {3, 3}},
                    TileGridCase{"Square2000At24", 2000, 2000, 24, {4, 4}},
                    TileGridCase{"Photo4To3", 4032, 3024, 12, {4, 3}},
                    TileGridCase{"Small4To3", 512, 384, 12, {4, 3}},
                    TileGridCase{"Photo4To3At6", 4032, 3024, 6, {3, 2}},
                    TileGridCase{"TieAt6", 1250, 1000, 6, {3, 2}},
                    TileGridCase{"TieAt24", 1250, 1000, 24, {5, 4}},
                    TileGridCase{"FullHd", 1920, 1080, 12, {4, 2}},
                    TileGridCase{"FullHdAt24", 1920, 1080, 24, {5, 3}},
                    TileGridCase{"A4At24", 2480, 3508, 24, {4, 6}},
                    TileGridCase{"Phone", 1170, 2532, 12, {2, 4}},
                    TileGridCase{"Panorama", 4000, 1000, 24, {8, 2}},
                    TileGridCase{"Column", 100, 3000, 12, {1, 12}},
                    TileGridCase{"Row", 5000, 50, 24, {24, 1}},
                    TileGridCase{"MaxOne", 5000, 50, 1, {1, 1}}),
    [](const auto& info) { return info.param.name; });

// The same file is what the playground's own grids are compared with.
TEST(TileGrid, IsTheReferencesForEverySize) {
  const nlohmann::json goldens = ReadGoldens("tile_grids");
  ASSERT_EQ(goldens.at("fields").size(), 6u);
  for (const auto& c : goldens.at("cases")) {
    const auto grid = ChooseTileGrid(c[0], c[1], c[2], c[3]);
    ASSERT_TRUE(grid.ok()) << grid.status();
    EXPECT_EQ(*grid, (TileGrid{c[4], c[5]})) << c;
  }
}

TEST(TileGrid, CountsTheThumbnailOnlyBesideOtherTiles) {
  EXPECT_EQ((TileGrid{1, 1}.num_tiles()), 1);
  EXPECT_EQ((TileGrid{4, 3}.num_tiles()), 13);
}

TEST(TileGrid, NamesTheValueThatIsOutOfRange) {
  EXPECT_EQ(ChooseTileGrid(10, 10, 448, 41).status().message(),
            "max_tiles 41 is outside [1, 40]");
  EXPECT_EQ(ChooseTileGrid(10, 10, 448, 0).status().message(),
            "max_tiles 0 is outside [1, 40]");
  EXPECT_EQ(ChooseTileGrid(0, 10, 448, 12).status().message(),
            "image size 0x10 is not positive");
  EXPECT_EQ(ChooseTileGrid(1, 1, 0, 12).status().message(),
            "tile_size 0 is not positive");
}

}  // namespace
}  // namespace tandem
