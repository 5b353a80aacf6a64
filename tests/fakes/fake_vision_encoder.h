#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "vision_service/vision_encoder.h"

namespace tandem {

// Embeddings that are a plain function of the tile's pixels, so that a mix-up
// shows. Can be held still, and made to fail. Thread-safe.
class FakeVisionEncoder final : public VisionEncoder {
 public:
  explicit FakeVisionEncoder(EmbeddingFormat format)
      : format_(std::move(format)) {}

  const EmbeddingFormat& format() const override { return format_; }

  absl::StatusOr<std::string> Encode(const RgbImage& tile) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    ++num_begun_;
    mutex_.Await(absl::Condition(+[](bool* held) { return !*held; }, &held_));
    ++num_encoded_;
    encoded_.push_back(SumOf(tile));
    if (!next_error_.ok()) return std::exchange(next_error_, absl::OkStatus());
    return EmbeddingsOf(format_, tile);
  }

  // Tells tiles apart.
  static uint32_t SumOf(const RgbImage& tile) {
    uint32_t sum = 1;
    for (const uint8_t value : tile.pixels) sum = sum * 31 + value;
    return sum;
  }

  // What Encode answers: small float32 numbers or bfloat16 halves of them, all
  // derived from the pixels' sum.
  static std::string EmbeddingsOf(const EmbeddingFormat& format,
                                  const RgbImage& tile) {
    const uint32_t sum = SumOf(tile);
    std::string data(format.tile_bytes(), '\0');
    const size_t size = ElementSize(format.dtype);
    for (size_t i = 0; i * size < data.size(); ++i) {
      const float value = static_cast<float>((sum + i * 7) % 1000) / 16;
      char bytes[sizeof(value)];
      std::memcpy(bytes, &value, sizeof(value));
      // bfloat16 is the upper half of a float32.
      std::memcpy(data.data() + i * size, bytes + (sizeof(value) - size), size);
    }
    return data;
  }

  // While held, Encode does not return.
  void Hold(bool held) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    held_ = held;
  }
  void FailNext(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    next_error_ = std::move(status);
  }
  int num_begun() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return num_begun_;
  }
  // SumOf the tiles, in the order in which they were encoded.
  std::vector<uint32_t> encoded() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return encoded_;
  }
  int num_encoded() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return num_encoded_;
  }

 private:
  const EmbeddingFormat format_;
  mutable absl::Mutex mutex_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int num_begun_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_encoded_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<uint32_t> encoded_ ABSL_GUARDED_BY(mutex_);
  absl::Status next_error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tandem
