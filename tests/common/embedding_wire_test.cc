#include "common/embedding_wire.h"

#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tandem {
namespace {

using Chunk = v1::EmbeddingChunk;

// 2 MiB + 6 KiB a tile: three chunks, the last one short.
EmbeddingFormat Format() {
  return {.dtype = DType::kBFloat16,
          .tokens_per_tile = 257,
          .hidden_size = 4096,
          .fingerprint = "f00d"};
}

EmbeddingRun TheRun() {
  return {.request_id = "r1",
          .image_index = 2,
          .tile_count = 5,
          .first_tile = 1,
          .num_tiles = 3};
}

std::string RandomTile(uint32_t seed) {
  std::mt19937 random(seed);
  std::string tile(Format().tile_bytes(), '\0');
  for (size_t i = 0; i < tile.size(); i += 2) {
    tile[i] = static_cast<char>(random());
    tile[i + 1] = static_cast<char>(0x3F);  // Finite, near 1.
  }
  return tile;
}

std::vector<Chunk> ChunksOf(int tile_index, const std::string& tile) {
  std::vector<Chunk> chunks;
  for (size_t offset = 0; offset < tile.size(); offset += kMaxChunkBytes) {
    chunks.push_back(
        MakeEmbeddingChunk(Format(), TheRun(), tile_index, offset, tile));
  }
  return chunks;
}

TEST(Crc32c, MatchesThePublishedVectors) {
  // RFC 3720 B.4.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(Crc32c(std::string("123456789")), 0xE3069283u);
  EXPECT_EQ(Crc32c({}), 0u);
}

TEST(EmbeddingAssembler, PutsTilesTogetherBitForBit) {
  EmbeddingAssembler assembler(Format(), TheRun());
  std::vector<EmbeddingTile> tiles;
  for (int index = 1; index <= 3; ++index) {
    std::vector<Chunk> chunks = ChunksOf(index, RandomTile(index));
    ASSERT_EQ(chunks.size(), 3u);
    chunks.back().mutable_timings()->set_encode(7.5);
    for (const Chunk& chunk : chunks) {
      ASSERT_TRUE(assembler.Add(chunk, tiles).ok());
    }
  }
  EXPECT_TRUE(assembler.Finish().ok());
  ASSERT_EQ(tiles.size(), 3u);
  for (int index = 1; index <= 3; ++index) {
    const EmbeddingTile& tile = tiles[index - 1];
    EXPECT_EQ(tile.image_index, 2);
    EXPECT_EQ(tile.tile_index, index);
    EXPECT_EQ(tile.num_tokens, 257);
    EXPECT_EQ(tile.hidden_size, 4096);
    EXPECT_EQ(tile.timings.encode(), 7.5);
    EXPECT_EQ(tile.data, RandomTile(index));
  }
}

TEST(EmbeddingAssembler, NamesTheTileThatIsMissing) {
  EmbeddingAssembler assembler(Format(), TheRun());
  std::vector<EmbeddingTile> tiles;
  for (const Chunk& chunk : ChunksOf(1, RandomTile(1))) {
    ASSERT_TRUE(assembler.Add(chunk, tiles).ok());
  }
  const absl::Status status = assembler.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("tile 2"));
}

TEST(EmbeddingAssembler, RefusesMoreThanWasAskedFor) {
  EmbeddingAssembler assembler(Format(), TheRun());
  std::vector<EmbeddingTile> tiles;
  for (int index = 1; index <= 3; ++index) {
    for (const Chunk& chunk : ChunksOf(index, RandomTile(index))) {
      ASSERT_TRUE(assembler.Add(chunk, tiles).ok());
    }
  }
  const absl::Status status =
      assembler.Add(ChunksOf(4, RandomTile(4))[0], tiles);
  EXPECT_EQ(ErrorMetadataOf(status)["check"], "tile_index");
}

struct Mutation {
  std::string name;
  std::string check;  // what the error names
  absl::StatusCode code;
  std::function<void(Chunk&)> mutate;
  friend std::ostream& operator<<(std::ostream& os, const Mutation& m) {
    return os << m.name;
  }
};

// Keeps the checksum honest, so that another check has to notice.
void SetData(Chunk& chunk, std::string data) {
  chunk.set_crc32c(Crc32c(data));
  chunk.set_data(std::move(data));
}

void PutValue(Chunk& chunk, uint16_t bits) {
  std::string data = chunk.data();
  data[100] = static_cast<char>(bits & 0xFF);
  data[101] = static_cast<char>(bits >> 8);
  SetData(chunk, data);
}

class EmbeddingMutationTest : public testing::TestWithParam<Mutation> {};

TEST_P(EmbeddingMutationTest, IsRefusedAndNamed) {
  EmbeddingAssembler assembler(Format(), TheRun());
  std::vector<EmbeddingTile> tiles;
  std::vector<Chunk> chunks = ChunksOf(1, RandomTile(1));
  ASSERT_TRUE(assembler.Add(chunks[0], tiles).ok());
  Chunk bad = chunks[1];
  GetParam().mutate(bad);
  const absl::Status status = assembler.Add(bad, tiles);
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_EQ(ErrorMetadataOf(status)["check"], GetParam().check) << status;
  EXPECT_TRUE(tiles.empty());
  // What comes after a lie is not believed either.
  EXPECT_FALSE(assembler.Add(chunks[1], tiles).ok());
  EXPECT_FALSE(assembler.Finish().ok());
}

constexpr auto kLoss = absl::StatusCode::kDataLoss;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

INSTANTIATE_TEST_SUITE_P(
    Fields, EmbeddingMutationTest,
    testing::Values(
        Mutation{"OtherRequest", "request_id", kLoss,
                 [](Chunk& c) { c.set_request_id("r2"); }},
        Mutation{"OtherImage", "image_index", kLoss,
                 [](Chunk& c) { c.set_image_index(0); }},
        Mutation{"NextTile", "tile_index", kLoss,
                 [](Chunk& c) { c.set_tile_index(2); }},
        Mutation{"HugeTile", "tile_index", kLoss,
                 [](Chunk& c) { c.set_tile_index(0xFFFFFFFFu); }},
        Mutation{"OtherCount", "tile_count", kLoss,
                 [](Chunk& c) { c.set_tile_count(4); }},
        Mutation{"Repeat", "offset", kLoss, [](Chunk& c) { c.set_offset(0); }},
        Mutation{"Gap", "offset", kLoss,
                 [](Chunk& c) { c.set_offset(c.offset() + 2); }},
        Mutation{"HugeOffset", "offset", kLoss,
                 [](Chunk& c) {
                   c.set_offset(std::numeric_limits<uint64_t>::max());
                 }},
        Mutation{"OtherTotal", "total_bytes", kLoss,
                 [](Chunk& c) { c.set_total_bytes(c.total_bytes() - 1); }},
        Mutation{"OtherDtype", "dtype", kPrecondition,
                 [](Chunk& c) { c.set_dtype(v1::DTYPE_FLOAT32); }},
        Mutation{"NoDtype", "dtype", kPrecondition,
                 [](Chunk& c) { c.clear_dtype(); }},
        Mutation{"OtherShape", "shape", kPrecondition,
                 [](Chunk& c) { c.set_shape(1, 4095); }},
        Mutation{"ThreeDimensions", "shape", kPrecondition,
                 [](Chunk& c) { c.add_shape(1); }},
        Mutation{"NoShape", "shape", kPrecondition,
                 [](Chunk& c) { c.clear_shape(); }},
        Mutation{"OtherFingerprint", "fingerprint", kPrecondition,
                 [](Chunk& c) { c.set_fingerprint("beef"); }},
        Mutation{"WrongChecksum", "crc32c", kLoss,
                 [](Chunk& c) { c.set_crc32c(c.crc32c() ^ 1); }},
        Mutation{"FlippedBit", "crc32c", kLoss,
                 [](Chunk& c) { (*c.mutable_data())[5] ^= 0x10; }},
        Mutation{"Empty", "data", kLoss, [](Chunk& c) { SetData(c, ""); }},
        Mutation{"TooLong", "data", kLoss,
                 [](Chunk& c) {
                   SetData(c, std::string(kMaxChunkBytes + 2, '\0'));
                 }},
        Mutation{"HalfAValue", "data", kLoss,
                 [](Chunk& c) { SetData(c, c.data().substr(0, 101)); }},
        Mutation{"EarlyEnd", "end_of_tile", kLoss,
                 [](Chunk& c) { c.set_end_of_tile(true); }},
        Mutation{"NaN", "values", kLoss, [](Chunk& c) { PutValue(c, 0x7FC0); }},
        Mutation{"MinusInfinity", "values", kLoss,
                 [](Chunk& c) { PutValue(c, 0xFF80); }}),
    [](const auto& info) { return info.param.name; });

TEST(EmbeddingAssembler, RefusesBytesBeyondTheTile) {
  EmbeddingAssembler assembler(Format(), TheRun());
  std::vector<EmbeddingTile> tiles;
  std::vector<Chunk> chunks = ChunksOf(1, RandomTile(1));
  ASSERT_TRUE(assembler.Add(chunks[0], tiles).ok());
  ASSERT_TRUE(assembler.Add(chunks[1], tiles).ok());
  SetData(chunks[2], chunks[2].data() + "  ");
  EXPECT_EQ(ErrorMetadataOf(assembler.Add(chunks[2], tiles))["check"], "data");
}

TEST(EmbeddingAssembler, SurvivesAnyBitFlipOfTheMessage) {
  // Flips one bit of the serialised message; whatever still parses must be
  // refused or leave exactly the tile that was sent.
  const EmbeddingFormat format{.dtype = DType::kFloat32,
                               .tokens_per_tile = 4,
                               .hidden_size = 8,
                               .fingerprint = "f00d"};
  const EmbeddingRun run{.request_id = "r",
                         .image_index = 0,
                         .tile_count = 1,
                         .first_tile = 0,
                         .num_tiles = 1};
  const std::string tile(format.tile_bytes(), '\x3F');
  const std::string wire =
      MakeEmbeddingChunk(format, run, 0, 0, tile).SerializeAsString();
  for (size_t bit = 0; bit < wire.size() * 8; ++bit) {
    std::string flipped = wire;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    Chunk chunk;
    if (!chunk.ParseFromString(flipped)) continue;
    EmbeddingAssembler assembler(format, run);
    std::vector<EmbeddingTile> tiles;
    if (assembler.Add(chunk, tiles).ok()) {
      ASSERT_EQ(tiles.size(), 1u);
      EXPECT_EQ(tiles[0].data, tile) << "bit " << bit;
    }
  }
}

}  // namespace
}  // namespace tandem
