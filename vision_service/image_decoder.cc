#include "vision_service/image_decoder.h"

#include <exception>
#include <new>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "vision_service/bmp_decoder.h"
#include "vision_service/image_integrity.h"
#include "vision_service/orientation.h"
#include "vision_service/webp_decoder.h"

namespace tandem {
namespace {

absl::Status UndecodableError(ImageFormat format, absl::string_view why) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, reason::kImageInvalid,
      absl::StrCat(ImageFormatName(format), " cannot be decoded: ", why));
}

RgbImage FromBgr(const cv::Mat& bgr) {
  RgbImage image = MakeRgbImage(bgr.cols, bgr.rows);
  for (int y = 0; y < bgr.rows; ++y) {
    const uint8_t* from = bgr.ptr<uint8_t>(y);
    uint8_t* to = image.row(y);
    for (int x = 0; x < bgr.cols; ++x, from += 3, to += 3) {
      to[0] = from[2];
      to[1] = from[1];
      to[2] = from[0];
    }
  }
  return image;
}

// The result is not decoded into an image of ours: OpenCV 4.6 then does not say
// whether it succeeded.
absl::StatusOr<RgbImage> DecodeWithOpenCv(absl::string_view file,
                                          const ImageHeader& header) {
  static const bool one_thread = (cv::setNumThreads(1), true);
  static_cast<void>(one_thread);
  const cv::Mat bytes(1, static_cast<int>(file.size()), CV_8UC1,
                      const_cast<char*>(file.data()));
  cv::Mat bgr;
  try {
    bgr = cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception& e) {
    if (e.code == cv::Error::StsNoMem) throw std::bad_alloc();
    return UndecodableError(header.format, e.what());
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    return UndecodableError(header.format, e.what());
  }
  if (bgr.empty() || bgr.type() != CV_8UC3 || bgr.cols != header.width ||
      bgr.rows != header.height) {
    return UndecodableError(header.format, "the compressed data are broken");
  }
  return FromBgr(bgr);
}

absl::StatusOr<RgbImage> DecodePixels(absl::string_view file,
                                      const ImageHeader& header) {
  switch (header.format) {
    case ImageFormat::kJpeg:
    case ImageFormat::kPng:
      return DecodeWithOpenCv(file, header);
    case ImageFormat::kWebp:
      return DecodeWebp(file);
    case ImageFormat::kBmp:
      return DecodeBmp(file, header);
  }
  return UndecodableError(header.format, "unknown format");
}

}  // namespace

absl::StatusOr<RgbImage> DecodeImage(absl::string_view file,
                                     const DecodeOptions& options) {
  TANDEM_ASSIGN_OR_RETURN(const ImageHeader header,
                          ReadImageHeader(file, options.limits));
  TANDEM_RETURN_IF_ERROR(CheckImageIsWhole(file, header.format));
  TANDEM_ASSIGN_OR_RETURN(RgbImage image, DecodePixels(file, header));
  if (!options.apply_exif || header.orientation == 1) return image;
  return ApplyOrientation(image, header.orientation);
}

}  // namespace tandem
