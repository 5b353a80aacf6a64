#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"
#include "common/compute_executor.h"
#include "common/metrics.h"
#include "common/model_config.h"
#include "tandem/v1/vision.pb.h"
#include "vision_service/image_store.h"
#include "vision_service/vision_encoder.h"

namespace tandem {

// The vision service without the network: image bytes in, embeddings out, a
// tile at a time. Decoding runs on a few threads of its own, the vision tower
// on the device's executor, one tile a piece, in the order in which tiles were
// asked for. Thread-safe.
class VisionEngine {
 public:
  using DecodeFunction = std::function<absl::StatusOr<RgbImage>(
      absl::string_view file, const DecodeOptions&)>;

  struct Options {
    PreprocessingProfile profile = PreprocessingProfile::kCustom;
    int tile_size = 448;         // pixels
    int default_max_tiles = 12;  // where a request names none
    int max_queued_tiles = 128;  // awaited by streams; more are refused
    int max_queued_images = 64;  // waiting to be decoded; more are refused
    // At most 3: each may hold 40 megapixels x 4 bytes.
    int num_decode_threads = 2;
    ImageLimits limits;
    ImageStore::Options store;
    DecodeFunction decode = DecodeImage;
    // Encodes as soon as an image comes while nothing else waits.
    bool encode_ahead = true;
  };

  // `clock`, `executor`, `encoder` and `metrics` must outlive the engine.
  VisionEngine(Options options, Clock& clock, ComputeExecutor& executor,
               VisionEncoder& encoder, VisionMetrics& metrics);
  // Ends every stream with UNAVAILABLE and joins the decode threads.
  ~VisionEngine();

  VisionEngine(const VisionEngine&) = delete;
  VisionEngine& operator=(const VisionEngine&) = delete;

  // Checks that the file is whole, hashes and keeps it. Errors as PutImage in
  // vision.proto; `max_tiles` 0 is the default. The reference lives at least
  // until `keep_until` (Clock::Monotonic), if it is not released. Its
  // replica_id is left empty.
  absl::StatusOr<v1::ImageRef> PutImage(
      absl::string_view file, int64_t max_tiles,
      absl::Duration keep_until = absl::ZeroDuration())
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Counts an image that was refused before it came to PutImage.
  void CountRefused(absl::string_view file);

  // Forgets handles and returns how many there were.
  int ReleaseImages(const std::vector<std::string>& handles)
      ABSL_LOCKS_EXCLUDED(mutex_);

  struct ReadyTile {
    int index = 0;
    int tile_count = 0;  // of the whole image
    std::shared_ptr<const std::string> embeddings;
    // Time since the stream's previous tile (or its opening), by stage: the
    // tiles' timings of one stream add up to its length.
    v1::TileTimings timings;
  };

  // One reader of a run of tiles.
  class Stream {
   public:
    using Callback = std::function<void(absl::StatusOr<ReadyTile>)>;

    // As Cancel(). Must not run beside Next().
    ~Stream();

    int tile_count() const;

    // Calls `callback` exactly once, with the next tile of the run or an error:
    // from this thread if it is there, else from an engine's thread. One call
    // at a time, at most one for each tile of the run; none after an error.
    void Next(Callback callback);

    // Wakes a waiting callback with CANCELLED and drops the run's tiles that
    // nobody else waits for. Safe beside Next().
    void Cancel();

   private:
    friend class VisionEngine;
    struct State;
    explicit Stream(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
  };

  // Queues tiles [first_tile, first_tile + num_tiles) of an image. Errors as
  // StreamEmbeddings in vision.proto. A stream that has not ended at `deadline`
  // (Clock::Monotonic) wants nothing any more: its next answer is
  // DEADLINE_EXCEEDED. The stream must end before the engine.
  absl::StatusOr<std::unique_ptr<Stream>> OpenStream(
      absl::string_view handle, int64_t first_tile, int64_t num_tiles,
      absl::Duration deadline = absl::InfiniteDuration())
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends streams whose deadline has passed and forgets images whose time is
  // over. Decode threads call it every second; tests call it with a clock of
  // their own.
  void Expire() ABSL_LOCKS_EXCLUDED(mutex_);

  struct Load {
    int images = 0;
    int handles = 0;
    int streams = 0;
    int64_t held_bytes = 0;
    int64_t max_held_bytes = 0;
    int queued_tiles = 0;  // not encoded yet, with a stream that waits for it
    int max_queued_tiles = 0;
    bool idle = false;  // nothing is decoded, queued or encoded
  };
  Load load() const ABSL_LOCKS_EXCLUDED(mutex_);

  const Options& options() const { return options_; }
  const EmbeddingFormat& format() const { return encoder_.format(); }

 private:
  using ImagePtr = std::shared_ptr<StoredImage>;
  // Callbacks run after the lock is let go: they call back into the engine.
  using Wakeups = std::vector<std::function<void()>>;

  absl::StatusOr<v1::ImageRef> KeepImage(absl::string_view file,
                                         int64_t max_tiles,
                                         absl::Duration keep_until)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<ImagePtr> MakeImage(absl::string_view file,
                                     int64_t max_tiles) const;
  v1::ImageRef TakeImage(const ImageStore::Entry& entry, CacheResult result)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<Stream::State>> AddStream(
      absl::string_view handle, int64_t first_tile, int64_t num_tiles,
      absl::Duration deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckRoom(const StoredImage& image, int begin, int end) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `change` more streams want the tile.
  void Want(StoredTile& tile, int change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartDecoding(const ImagePtr& image)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void QueueWantedTiles(const ImagePtr& image, Wakeups& wakeups)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SubmitEncoding(Wakeups& wakeups) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(Stream::State& stream, const absl::Status& why, Wakeups& wakeups)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver(Stream::State& stream, Wakeups& wakeups)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DeliverAll(const ImagePtr& image, Wakeups& wakeups)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailStreams(const ImagePtr& image, int tile, const absl::Status& status,
                   Wakeups& wakeups) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountImage(ImageFormatLabel format, ImageResult result);
  void CountFailure(const absl::Status& status);
  void UpdateGauges() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void DecodeLoop() ABSL_LOCKS_EXCLUDED(mutex_);
  ImagePtr NextToDecode() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Decode(const ImagePtr& image) ABSL_LOCKS_EXCLUDED(mutex_);
  void EncodeNext() ABSL_LOCKS_EXCLUDED(mutex_);
  bool NextQueuedTile(ImagePtr& image, int& tile)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  Clock& clock_;
  ComputeExecutor& executor_;
  VisionEncoder& encoder_;
  VisionMetrics& metrics_;

  mutable absl::Mutex mutex_;
  ImageStore store_ ABSL_GUARDED_BY(mutex_);
  std::deque<ImagePtr> decode_queue_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::pair<ImagePtr, int>> tile_queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Stream::State>> streams_ ABSL_GUARDED_BY(mutex_);
  int num_decoding_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_awaited_tiles_ ABSL_GUARDED_BY(mutex_) = 0;
  // A piece of ours is with the executor; the destructor waits for it.
  bool encode_submitted_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> decode_threads_;
};

}  // namespace tandem
