#include "gateway/data_url.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base64.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace tandem {
namespace {

// Longest beginning of a data URL, up to its comma.
constexpr size_t kMaxMediaTypeBytes = 256;

absl::Status Invalid(absl::string_view reason, absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::StatusOr<std::string> ImageType(absl::string_view written) {
  std::string type = absl::AsciiStrToLower(written);
  if (type == "image/jpg") type = "image/jpeg";
  for (const char* known :
       {"image/jpeg", "image/png", "image/webp", "image/bmp"}) {
    if (type == known) return type;
  }
  return Invalid(reason::kImageUnsupportedFormat,
                 absl::StrCat("\"", type.substr(0, 64),
                              "\" is not one of image/jpeg, image/png, "
                              "image/webp, image/bmp"));
}

// `rest` is what follows "data:".
absl::StatusOr<DataUrl> TakeApart(absl::string_view rest) {
  const size_t comma = rest.substr(0, kMaxMediaTypeBytes).find(',');
  if (comma == absl::string_view::npos) {
    return Invalid(reason::kFieldInvalid,
                   absl::StrCat("a data URL without a comma in its first ",
                                kMaxMediaTypeBytes, " bytes"));
  }
  absl::string_view media_type = rest.substr(0, comma);
  constexpr absl::string_view kMark = ";base64";
  if (!absl::EndsWithIgnoreCase(media_type, kMark)) {
    return Invalid(reason::kFieldInvalid,
                   "a data URL whose data is not base64: ;base64 must stand "
                   "before the comma");
  }
  media_type.remove_suffix(kMark.size());
  DataUrl url;
  TANDEM_ASSIGN_OR_RETURN(
      url.mime_type, ImageType(media_type.substr(0, media_type.find(';'))));
  url.base64 = rest.substr(comma + 1);
  return url;
}

// Up to the first byte that no scheme has.
absl::string_view SchemeOf(absl::string_view url) {
  size_t end = 0;
  while (end < url.size() && end < 32 &&
         (absl::ascii_isalnum(url[end]) || url[end] == '+' || url[end] == '-' ||
          url[end] == '.')) {
    ++end;
  }
  if (end == url.size() || url[end] != ':') return {};
  return url.substr(0, end);
}

}  // namespace

absl::StatusOr<ImageUrl> ParseImageUrl(absl::string_view url) {
  const absl::string_view scheme = SchemeOf(url);
  if (scheme.empty()) {
    return Invalid(reason::kFieldInvalid,
                   "not a URL; expected data:image/...;base64,...");
  }
  absl::string_view rest = url.substr(scheme.size() + 1);
  if (absl::EqualsIgnoreCase(scheme, "data")) {
    TANDEM_ASSIGN_OR_RETURN(DataUrl data, TakeApart(rest));
    return ImageUrl(std::move(data));
  }
  if (absl::EqualsIgnoreCase(scheme, "http") ||
      absl::EqualsIgnoreCase(scheme, "https")) {
    if (!absl::ConsumePrefix(&rest, "//")) {
      return Invalid(reason::kFieldInvalid, "a URL without a host");
    }
    return ImageUrl(RemoteUrl{
        scheme, rest.substr(0, rest.substr(0, 256).find_first_of("/?#\\"))});
  }
  return Invalid(
      reason::kFieldInvalid,
      absl::StrCat(absl::AsciiStrToLower(scheme),
                   ": URLs are refused; expected data:image/...;base64,..."));
}

absl::StatusOr<DataUrl> ParseDataUrl(absl::string_view url) {
  TANDEM_ASSIGN_OR_RETURN(ImageUrl parsed, ParseImageUrl(url));
  if (DataUrl* data = std::get_if<DataUrl>(&parsed)) return std::move(*data);
  return Invalid(reason::kUnsupportedParameter,
                 "remote images are off: nothing is fetched from elsewhere; "
                 "send the image as data:image/...;base64,...");
}

absl::Status CheckEncodedBytes(const DataUrl& url, const ImageLimits& limits) {
  const absl::StatusOr<size_t> bytes = Base64DecodedBytes(url.base64);
  if (!bytes.ok()) {
    return Invalid(reason::kImageInvalid, bytes.status().message());
  }
  if (*bytes == 0) return Invalid(reason::kImageInvalid, "there is no data");
  return CheckImageBytes(static_cast<int64_t>(*bytes), limits);
}

absl::Status DecodeDataUrl(const DataUrl& url, std::string& image) {
  const absl::Status decoded = DecodeBase64(url.base64, image);
  if (decoded.ok()) return decoded;
  return Invalid(reason::kImageInvalid, decoded.message());
}

}  // namespace tandem
