#include "common/metrics.h"

namespace tandem {
namespace {

template <class Label>
using Texts = std::array<absl::string_view, kNumLabels<Label>>;

}  // namespace

absl::string_view LabelOf(Api value) {
  static constexpr Texts<Api> kTexts = {"grpc", "openai", "kserve"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(Method value) {
  static constexpr Texts<Method> kTexts = {"chat", "list_models", "get_model",
                                           "count_tokens", "other"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(Stage value) {
  static constexpr Texts<Stage> kTexts = {
      "parse",       "image_decode", "preprocess",   "encode_queue",
      "encode",      "transfer",     "decode_queue", "prefill",
      "first_token", "decode",       "finish"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(Rejection value) {
  static constexpr Texts<Rejection> kTexts = {"queue_full", "deadline", "quota",
                                              "memory", "draining"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(ImageCount value) {
  static constexpr Texts<ImageCount> kTexts = {"0", "1", "2_4", "5_plus"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(ImageFormatLabel value) {
  static constexpr Texts<ImageFormatLabel> kTexts = {"jpeg", "png", "webp",
                                                     "bmp", "other"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(ImageResult value) {
  static constexpr Texts<ImageResult> kTexts = {"ok", "rejected"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(CacheResult value) {
  static constexpr Texts<CacheResult> kTexts = {"hit", "miss", "evicted"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(TransferError value) {
  static constexpr Texts<TransferError> kTexts = {
      "crc", "shape", "gap", "fingerprint", "timeout", "peer"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(Backend value) {
  static constexpr Texts<Backend> kTexts = {"vision", "llm"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(BackendState value) {
  static constexpr Texts<BackendState> kTexts = {"ready", "unready",
                                                 "open_circuit"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(DeviceMemory value) {
  static constexpr Texts<DeviceMemory> kTexts = {"used", "reserved", "free",
                                                 "limit"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(Streaming value) {
  static constexpr Texts<Streaming> kTexts = {"false", "true"};
  return kTexts[static_cast<size_t>(value)];
}

absl::string_view LabelOf(absl::StatusCode value) {
  static constexpr Texts<absl::StatusCode> kTexts = {"OK",
                                                     "CANCELLED",
                                                     "UNKNOWN",
                                                     "INVALID_ARGUMENT",
                                                     "DEADLINE_EXCEEDED",
                                                     "NOT_FOUND",
                                                     "ALREADY_EXISTS",
                                                     "PERMISSION_DENIED",
                                                     "RESOURCE_EXHAUSTED",
                                                     "FAILED_PRECONDITION",
                                                     "ABORTED",
                                                     "OUT_OF_RANGE",
                                                     "UNIMPLEMENTED",
                                                     "INTERNAL",
                                                     "UNAVAILABLE",
                                                     "DATA_LOSS",
                                                     "UNAUTHENTICATED"};
  return kTexts[static_cast<size_t>(value)];
}

ImageCount ImageCountOf(int num_images) {
  if (num_images <= 0) return ImageCount::k0;
  if (num_images == 1) return ImageCount::k1;
  return num_images <= 4 ? ImageCount::k2To4 : ImageCount::k5Plus;
}

}  // namespace tandem
