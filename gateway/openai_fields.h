#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "gateway/json_body.h"
#include "gateway/openai_request.h"
#include "tandem/v1/gateway.pb.h"

namespace tandem {

// The readers of gateway/openai_request.h: each reads the values of some fields
// of a body, and says so by true; false leaves the value unread. A field that
// comes again replaces what it said before.

// Collects the fields that nobody knows.
class UnknownFields {
 public:
  explicit UnknownFields(bool strict) : strict_(strict) {}

  // Reads and forgets `value`, or FIELD_INVALID where we are strict.
  absl::Status Ignore(JsonValue value);
  std::vector<std::string> TakeNames() { return std::move(names_); }

 private:
  const bool strict_;
  std::vector<std::string> names_;
};

// An image of a body, whose data is still text there, or elsewhere.
struct EncodedImage {
  absl::string_view url;
  std::string field;               // "messages[0].content[1].image_url.url"
  v1::ImagePart* image = nullptr;  // of the request, to be filled in
  int message = 0, part = 0;       // where it is there
};

// `messages`: texts are copied, images noted. Borrows the request's messages,
// which must not move, until DecodeImages is done.
class MessagesReader {
 public:
  using Messages = google::protobuf::RepeatedPtrField<v1::ChatMessage>;
  MessagesReader(const ChatLimits& limits, UnknownFields& unknown,
                 Messages& messages)
      : limits_(limits), unknown_(unknown), messages_(messages) {}

  absl::Status Read(JsonValue value);
  // Counts the images, then checks what every URL says and how long its data
  // is, and only then decodes. Images on `hosts` are left empty and added to
  // `remote`.
  absl::Status DecodeImages(const std::vector<ImageHost>& hosts,
                            std::vector<RemoteImage>& remote);

 private:
  absl::Status ReadMessage(JsonValue value, v1::ChatMessage& message);
  absl::Status ReadRole(JsonValue value, v1::ChatMessage& message);
  absl::Status ReadContent(JsonValue value, v1::ChatMessage& message,
                           std::vector<EncodedImage>& images);
  absl::Status ReadPart(JsonValue value, int index, v1::ContentPart& part,
                        std::vector<EncodedImage>& images);
  absl::Status ReadImageUrl(JsonValue value, v1::ImagePart& image,
                            absl::optional<absl::string_view>& url);

  const ChatLimits& limits_;
  UnknownFields& unknown_;
  Messages& messages_;
  std::vector<EncodedImage> images_;
};

// What fills v1::Sampling.
class SamplingReader {
 public:
  explicit SamplingReader(v1::Sampling& sampling) : sampling_(sampling) {}

  absl::StatusOr<bool> Read(absl::string_view key, JsonValue value);
  // `logprobs` of /v1/completions: a number.
  absl::Status ReadLogprobsCount(JsonValue value);
  // After the last field: what two of them say together.
  absl::Status Finish(absl::optional<uint32_t> default_max_tokens);

 private:
  absl::StatusOr<bool> ReadScalar(absl::string_view key, JsonValue value);
  absl::Status ReadTopK(JsonValue value);
  absl::Status ReadSeed(JsonValue value);
  absl::Status ReadStop(JsonValue value);
  absl::Status ReadStopTokenIds(JsonValue value);
  absl::Status ReadLogitBias(JsonValue value);

  v1::Sampling& sampling_;
  absl::optional<int64_t> max_tokens_, max_completion_tokens_;
};

// What is not built: reads `value` where `key` asks for something that an
// answer of ours would silently lack, and refuses whatever says more than
// nothing. `tool_choice`, `response_format: {"type": "text"}` and the like.
absl::StatusOr<bool> RefuseUnsupported(absl::string_view key, JsonValue value);

}  // namespace tandem
