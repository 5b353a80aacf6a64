#include "vision_service/png_encoder.h"

#include <exception>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace tandem {

absl::StatusOr<std::string> EncodePng(const RgbImage& image) {
  if (image.pixels.empty()) {
    return MakeError(absl::StatusCode::kInternal, reason::kInternal,
                     "an image without pixels cannot be written as PNG");
  }
  RgbImage bgr = image;  // OpenCV's channel order
  for (size_t i = 0; i < bgr.pixels.size(); i += 3) {
    std::swap(bgr.pixels[i], bgr.pixels[i + 2]);
  }
  const cv::Mat mat(bgr.height, bgr.width, CV_8UC3, bgr.pixels.data());
  std::vector<uchar> file;
  std::string why = "encoder refused";
  try {
    if (cv::imencode(".png", mat, file)) {
      return std::string(file.begin(), file.end());
    }
  } catch (const std::exception& e) {
    why = e.what();
  }
  return MakeError(absl::StatusCode::kInternal, reason::kInternal,
                   absl::StrCat("cannot write ", bgr.width, "x", bgr.height,
                                " pixels as PNG: ", why));
}

}  // namespace tandem
