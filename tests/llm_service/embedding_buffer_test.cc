#include "llm_service/embedding_buffer.h"

#include <string>

#include "gtest/gtest.h"

namespace tandem {
namespace {

constexpr int kTokensPerTile = 4;

EmbeddingTile Tile(int image, int tile) {
  EmbeddingTile out;
  out.image_index = image;
  out.tile_index = tile;
  out.dtype = DType::kBFloat16;
  out.num_tokens = kTokensPerTile;
  out.hidden_size = 1;
  // Two bytes a row: the row's number within the tile, and the tile's.
  for (int row = 0; row < kTokensPerTile; ++row) {
    out.data += static_cast<char>(row);
    out.data += static_cast<char>(10 * image + tile);
  }
  return out;
}

// Two images: tiles at 3 and 7, and at 15; the prompt ends at 25.
EmbeddingBuffer Make() {
  const ImageSpan spans[] = {{0, 3, 8}, {1, 15, 4}};
  return EmbeddingBuffer(spans, kTokensPerTile, 25);
}

TEST(EmbeddingBuffer, MovesTheFrontierTileByTile) {
  EmbeddingBuffer buffer = Make();
  EXPECT_EQ(buffer.num_tiles(), 3);
  EXPECT_EQ(buffer.frontier(), 3);
  ASSERT_TRUE(buffer.Put(Tile(0, 0)).ok());
  EXPECT_EQ(buffer.frontier(), 7);
  ASSERT_TRUE(buffer.Put(Tile(1, 0)).ok());  // overtakes
  EXPECT_EQ(buffer.frontier(), 7);
  ASSERT_TRUE(buffer.Put(Tile(0, 1)).ok());
  EXPECT_EQ(buffer.frontier(), 25);
}

TEST(EmbeddingBuffer, HasNothingToWaitForWithoutImages) {
  EXPECT_EQ(EmbeddingBuffer({}, kTokensPerTile, 9).frontier(), 9);
}

TEST(EmbeddingBuffer, GivesTheRowsOfAChunkThatCutsTiles) {
  EmbeddingBuffer buffer = Make();
  ASSERT_TRUE(buffer.Put(Tile(0, 0)).ok());
  ASSERT_TRUE(buffer.Put(Tile(0, 1)).ok());
  // Tokens 5 to 8, from slot 100 on: two rows of each tile.
  const auto rows = buffer.Rows(5, 4, 100);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].first_slot, 100);
  EXPECT_EQ(rows[0].num_rows, 2);
  EXPECT_EQ(std::string(rows[0].data, 2), std::string("\x02\x00", 2));
  EXPECT_EQ(rows[1].first_slot, 102);
  EXPECT_EQ(rows[1].num_rows, 2);
  EXPECT_EQ(std::string(rows[1].data, 2), std::string("\x00\x01", 2));
}

TEST(EmbeddingBuffer, GivesNoRowsForText) {
  EmbeddingBuffer buffer = Make();
  EXPECT_TRUE(buffer.Rows(0, 3, 0).empty());
}

TEST(EmbeddingBuffer, ReleasesWholeTilesOnce) {
  EmbeddingBuffer buffer = Make();
  ASSERT_TRUE(buffer.Put(Tile(0, 0)).ok());
  ASSERT_TRUE(buffer.Put(Tile(0, 1)).ok());
  EXPECT_EQ(buffer.Release(6), 0);
  EXPECT_EQ(buffer.Release(8), 1);
  EXPECT_EQ(buffer.Release(8), 0);
  EXPECT_EQ(buffer.Rows(8, 3, 0).size(), 1u);
  EXPECT_EQ(buffer.Release(15), 1);
  EXPECT_EQ(buffer.Release(25), 0);  // the last has not come
}

TEST(EmbeddingBuffer, RefusesATileItHasNoPlaceFor) {
  EmbeddingBuffer buffer = Make();
  EXPECT_EQ(buffer.Put(Tile(0, 2)).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(buffer.Put(Tile(2, 0)).code(), absl::StatusCode::kInternal);
  ASSERT_TRUE(buffer.Put(Tile(0, 0)).ok());
  EXPECT_EQ(buffer.Put(Tile(0, 0)).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace tandem
