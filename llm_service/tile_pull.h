#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/embedding_wire.h"
#include "common/metrics.h"
#include "llm_service/embedding_source.h"
#include "llm_service/vision_replicas.h"

namespace tandem {

// The tiles of one request on their way: finds the replicas that hold its
// images, then asks for runs of tiles as there is room, half a window at a
// time, so that one half is encoded while the other is prefilled. Thread-safe;
// its calls keep it alive.
class TilePull : public std::enable_shared_from_this<TilePull> {
 public:
  // Pulls that exist, with those whose calls are about to end.
  struct Alive {
    absl::Mutex mutex;
    int count ABSL_GUARDED_BY(mutex) = 0;
  };
  // What all pulls share; outlives them.
  struct Deps {
    const EmbeddingFormat format;
    VisionReplicas& replicas;
    LlmMetrics& metrics;
    Clock& clock;
    Alive& alive;
  };

  TilePull(EmbeddingPull pull, EmbeddingSource::Sink sink, const Deps& deps);
  ~TilePull();

  void Begin();
  void AddRoom(int tiles) ABSL_LOCKS_EXCLUDED(mutex_);
  // Cancels what is asked for and forgets the sink.
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Call;  // one StreamEmbeddings

  void FindReplica(size_t image) ABSL_LOCKS_EXCLUDED(mutex_);
  void AskForMore() ABSL_LOCKS_EXCLUDED(mutex_);
  Call* NextCall() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(EmbeddingTile tile, absl::Duration asked)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Ended(Call* call, int image, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Fail(int image, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  void Stop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const EmbeddingPull pull_;
  const Deps& deps_;
  absl::Mutex mutex_;
  EmbeddingSource::Sink sink_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::shared_ptr<VisionReplicas::Stub>> stubs_
      ABSL_GUARDED_BY(mutex_);  // by replica id
  absl::flat_hash_set<Call*> calls_ ABSL_GUARDED_BY(mutex_);
  bool found_all_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  int room_ ABSL_GUARDED_BY(mutex_);
  // What to ask for next.
  int next_image_ ABSL_GUARDED_BY(mutex_) = 0;
  int next_tile_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tandem
