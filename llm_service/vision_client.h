#pragma once

#include <memory>

#include "common/clock.h"
#include "common/embedding_wire.h"
#include "common/metrics.h"
#include "llm_service/embedding_source.h"
#include "llm_service/tile_pull.h"
#include "llm_service/vision_replicas.h"

namespace tandem {

// Embeddings from the vision services, over gRPC. Every chunk is verified
// before a byte of it is used. Counts bytes and errors of transfers.
// Thread-safe.
class VisionClient final : public EmbeddingSource {
 public:
  // Everything borrowed must outlive the client.
  VisionClient(const EmbeddingFormat& format, VisionReplicas& replicas,
               LlmMetrics& metrics, Clock& clock);
  // Waits for the end of the calls of pulls that were cancelled before; a pull
  // that was not would be waited for until its deadline.
  ~VisionClient() override;

  std::unique_ptr<Handle> Start(EmbeddingPull pull, Sink sink) override;

 private:
  TilePull::Alive alive_;
  const TilePull::Deps deps_;
};

}  // namespace tandem
