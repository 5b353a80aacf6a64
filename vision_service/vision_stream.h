#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "vision_service/vision_engine.h"

namespace tandem {

ImageFormatLabel ToLabel(ImageFormat format);

// What a stream's owner and the engine share. Guarded by the engine's mutex,
// but for what never changes.
struct VisionEngine::Stream::State {
  VisionEngine* engine = nullptr;
  std::string handle;
  ImagePtr image;
  absl::Duration deadline;
  int next = 0;  // tile to deliver next
  int end = 0;   // behind the run's last
  bool closed = false;
  absl::Status failure;
  Callback callback;    // waits for tile `next`
  absl::Duration mark;  // the stream's opening, then its last tile's completion

  static double ToMilliseconds(absl::Duration duration) {
    return absl::ToDoubleMilliseconds(std::max(duration, absl::ZeroDuration()));
  }

  // Where the time between `mark` and the tile's completion went.
  v1::TileTimings TakeTimings(const StoredTile& tile) {
    v1::TileTimings timings;
    const auto since = [this](absl::Duration begin, absl::Duration end) {
      return std::max(end - std::max(begin, mark), absl::ZeroDuration());
    };
    const absl::Duration decode = since(image->decode_begin, image->decode_end);
    const absl::Duration cut = since(image->decode_end, image->tiles_ready);
    const absl::Duration encode = since(tile.encode_begin, tile.encode_end);
    timings.set_image_decode(ToMilliseconds(decode));
    timings.set_preprocess(ToMilliseconds(cut));
    timings.set_encode(ToMilliseconds(encode));
    timings.set_encode_queue(
        ToMilliseconds(tile.encode_end - mark - decode - cut - encode));
    mark = std::max(mark, tile.encode_end);
    return timings;
  }
};

}  // namespace tandem
