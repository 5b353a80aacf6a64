#pragma once

#include <new>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "vision_service/image_decoder.h"

namespace tandem {

// DecodeImage, which can be held still and made to run out of memory.
// Thread-safe.
class FakeImageDecoder {
 public:
  absl::StatusOr<RgbImage> Decode(absl::string_view file,
                                  const DecodeOptions& options)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      ++num_begun_;
      options_ = options;
      mutex_.Await(absl::Condition(+[](bool* held) { return !*held; }, &held_));
      if (std::exchange(no_memory_, false)) throw std::bad_alloc();
    }
    return DecodeImage(file, options);
  }

  // While held, Decode does not return.
  void Hold(bool held) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    held_ = held;
  }
  // The next Decode throws std::bad_alloc.
  void RunOutOfMemory() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    no_memory_ = true;
  }
  int num_begun() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return num_begun_;
  }
  // Of the last call.
  DecodeOptions options() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return options_;
  }

 private:
  mutable absl::Mutex mutex_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  bool no_memory_ ABSL_GUARDED_BY(mutex_) = false;
  int num_begun_ ABSL_GUARDED_BY(mutex_) = 0;
  DecodeOptions options_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
