#pragma once

#include "absl/status/statusor.h"
#include "common/embedding_wire.h"
#include "vision_service/image_decoder.h"

namespace tandem {

// Tiles to embeddings. One thread, the device's executor, calls Encode.
class VisionEncoder {
 public:
  virtual ~VisionEncoder() = default;

  // Of what Encode returns. Thread-safe.
  virtual const EmbeddingFormat& format() const = 0;

  // The embeddings of one tile ([tile_size, tile_size, 3] RGB) as the bytes
  // that go on the wire: [tokens_per_tile, hidden_size] of format().dtype. A
  // tile's result never depends on other tiles.
  //
  // RESOURCE_EXHAUSTED DEVICE_OUT_OF_MEMORY; INTERNAL NUMERIC_FAULT when a
  // value is NaN or infinite; INTERNAL where the device fails.
  virtual absl::StatusOr<std::string> Encode(const RgbImage& tile) = 0;
};

}  // namespace tandem
