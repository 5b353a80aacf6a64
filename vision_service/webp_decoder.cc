#include "vision_service/webp_decoder.h"

#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "common/errors.h"

namespace tandem {
namespace {

absl::Status InvalidError(absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason::kImageInvalid,
                   message);
}

// The first frame's bitstream and its place on the canvas.
class FirstFrame {
 public:
  explicit FirstFrame(const WebPDemuxer* demuxer)
      : found_(WebPDemuxGetFrame(demuxer, /*frame=*/1, &frame_) != 0) {}
  ~FirstFrame() { WebPDemuxReleaseIterator(&frame_); }

  FirstFrame(const FirstFrame&) = delete;
  FirstFrame& operator=(const FirstFrame&) = delete;

  // The demuxer has checked neither against the other.
  bool FitsInto(const RgbImage& canvas) const {
    return found_ && frame_.x_offset >= 0 && frame_.y_offset >= 0 &&
           frame_.width > 0 && frame_.height > 0 &&
           frame_.width <= canvas.width - frame_.x_offset &&
           frame_.height <= canvas.height - frame_.y_offset;
  }

  // False where the bitstream is broken or of another size.
  bool DecodeInto(RgbImage& canvas) const {
    uint8_t* corner = canvas.row(frame_.y_offset) + frame_.x_offset * 3;
    const uint8_t* end = canvas.pixels.data() + canvas.pixels.size();
    return WebPDecodeRGBInto(frame_.fragment.bytes, frame_.fragment.size,
                             corner, end - corner,
                             static_cast<int>(canvas.row_bytes())) != nullptr;
  }

 private:
  WebPIterator frame_ = {};
  const bool found_;
};

}  // namespace

absl::StatusOr<RgbImage> DecodeWebp(absl::string_view file) {
  const WebPData data{reinterpret_cast<const uint8_t*>(file.data()),
                      file.size()};
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(
      WebPDemux(&data), &WebPDemuxDelete);
  if (demuxer == nullptr) return InvalidError("WebP: broken chunk structure");
  RgbImage image =
      MakeRgbImage(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH),
                   WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT));
  const FirstFrame frame(demuxer.get());
  if (!frame.FitsInto(image)) {
    return InvalidError("WebP: no first frame within the canvas");
  }
  if (!frame.DecodeInto(image)) return InvalidError("WebP: broken bitstream");
  return image;
}

}  // namespace tandem
