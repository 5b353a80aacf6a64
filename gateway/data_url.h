#pragma once

#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/image_header.h"

namespace tandem {

// data:image/<jpeg, jpg, png, webp or bmp>[;parameters];base64,<data>
struct DataUrl {
  std::string mime_type;     // "image/jpeg": lower case, jpg is jpeg
  absl::string_view base64;  // borrowed from the URL
};

// http://<host>... or https://<host>...
struct RemoteUrl {
  absl::string_view scheme;     // as written, borrowed
  absl::string_view authority;  // host and port, user and password; borrowed
};

using ImageUrl = std::variant<DataUrl, RemoteUrl>;

// Takes apart the URL of an image; nothing is decoded or fetched, and no more
// than the first 256 bytes are looked at. Scheme, type and "base64" are of any
// case. Parameters before ";base64" (a charset, a file's name) are ignored.
//
// INVALID_ARGUMENT without a field (see AtField): FIELD_INVALID for another
// scheme (file: among them), or a data URL without ";base64" or a comma;
// IMAGE_UNSUPPORTED_FORMAT for another type. Thread-safe; `url` must outlive
// the result.
absl::StatusOr<ImageUrl> ParseImageUrl(absl::string_view url);

// Like ParseImageUrl, where remote images are off: INVALID_ARGUMENT
// UNSUPPORTED_PARAMETER for http: and https:.
absl::StatusOr<DataUrl> ParseDataUrl(absl::string_view url);

// Whether the image that the data encodes may be decoded, told by its length
// alone. INVALID_ARGUMENT IMAGE_INVALID for no data or a length that base64
// does not have, IMAGE_TOO_LARGE for more than `limits.max_bytes` decoded.
absl::Status CheckEncodedBytes(const DataUrl& url, const ImageLimits& limits);

// Sets `image` to the decoded bytes. INVALID_ARGUMENT IMAGE_INVALID for what is
// not base64 (common/base64.h). Call CheckEncodedBytes before.
absl::Status DecodeDataUrl(const DataUrl& url, std::string& image);

}  // namespace tandem
