#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/embedding_wire.h"
#include "llm_service/embedding_source.h"

namespace tandem {

// The bytes of a tile, a function of image and tile alone: finite values.
std::string FakeTileBytes(const EmbeddingFormat& format,
                          const std::string& handle, int tile_index);

// Embeddings without a network. Serves at once what there is room for, or,
// held, only what a test hands out. Thread-safe.
class FakeEmbeddingSource final : public EmbeddingSource {
 public:
  FakeEmbeddingSource(EmbeddingFormat format, Clock& clock);

  std::unique_ptr<Handle> Start(EmbeddingPull pull, Sink sink) override
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Pulls that start from now on wait for ServeTile.
  void Hold() ABSL_LOCKS_EXCLUDED(mutex_);
  // Hands the next tile of `request_id` out, where there is room for it.
  bool ServeTile(const std::string& request_id) ABSL_LOCKS_EXCLUDED(mutex_);
  void Fail(const std::string& request_id, absl::Status status)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Pulls that were started and not given up.
  int num_pulls() const ABSL_LOCKS_EXCLUDED(mutex_);
  // How pulls were used wrongly: more room given back than was taken.
  std::vector<std::string> problems() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct State {
    EmbeddingPull pull;
    Sink sink;
    bool held = false;
    int room = 0;
    int image = 0, tile = 0;  // the next
  };
  class PullHandle;

  bool ServeNext(State& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddRoom(const std::string& id, int tiles) ABSL_LOCKS_EXCLUDED(mutex_);
  void Drop(const std::string& id) ABSL_LOCKS_EXCLUDED(mutex_);

  const EmbeddingFormat format_;
  Clock& clock_;
  mutable absl::Mutex mutex_;
  std::map<std::string, State> pulls_ ABSL_GUARDED_BY(mutex_);
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> problems_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
