#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/dtype.h"
#include "tandem/v1/vision.pb.h"

namespace tandem {

// Bytes of a tile that one message carries at most.
inline constexpr size_t kMaxChunkBytes = 1 << 20;

// What the embeddings of every tile between two services look like.
struct EmbeddingFormat {
  DType dtype = DType::kBFloat16;
  int tokens_per_tile = 0;
  int hidden_size = 0;
  std::string fingerprint;  // of the model, hex

  size_t tile_bytes() const {
    return ElementSize(dtype) * tokens_per_tile * hidden_size;
  }
};

// A run of tiles of one image, as asked for with StreamEmbeddings.
struct EmbeddingRun {
  std::string request_id;
  int image_index = 0;
  int tile_count = 0;  // of the whole image
  int first_tile = 0;
  int num_tiles = 0;
};

// CRC-32C (Castagnoli, RFC 3720).
uint32_t Crc32c(absl::Span<const char> data);

// Whether any of the values that `data` holds is NaN or infinite.
bool HasNonFinite(DType dtype, absl::string_view data);

// The chunk of tile `tile_index` that begins at `offset`: as much of `tile`,
// the whole tile's bytes, as fits.
v1::EmbeddingChunk MakeEmbeddingChunk(const EmbeddingFormat& format,
                                      const EmbeddingRun& run, int tile_index,
                                      size_t offset, absl::string_view tile);

// The embeddings of one tile, verified.
struct EmbeddingTile {
  int image_index = 0;
  int tile_index = 0;
  DType dtype = DType::kBFloat16;
  int num_tokens = 0;
  int hidden_size = 0;
  std::string data;  // row-major [num_tokens, hidden_size], little-endian
  v1::TileTimings timings;
};

// Puts chunks together to tiles, and believes none of them: every field is
// checked against what was asked for before a byte is used. Not thread-safe.
class EmbeddingAssembler {
 public:
  EmbeddingAssembler(EmbeddingFormat format, EmbeddingRun run);

  // Takes the next chunk. Tiles that are whole now are appended to `tiles`.
  //
  // FAILED_PRECONDITION EMBEDDING_INCOMPATIBLE for another dtype, shape or
  // fingerprint; DATA_LOSS EMBEDDING_CORRUPT for anything else that differs
  // from what was asked for: request, image, tile order, gap, overlap, length,
  // CRC, end_of_tile, values that are NaN or infinite. Metadata `check` names
  // the field. After an error the assembler refuses all further chunks.
  absl::Status Add(const v1::EmbeddingChunk& chunk,
                   std::vector<EmbeddingTile>& tiles);

  // OK when all tiles of the run have come; DATA_LOSS naming the first missing
  // one otherwise.
  absl::Status Finish() const;

 private:
  absl::Status Check(const v1::EmbeddingChunk& chunk) const;

  const EmbeddingFormat format_;
  const EmbeddingRun run_;
  int next_tile_;
  EmbeddingTile current_;
  bool failed_ = false;
};

}  // namespace tandem
