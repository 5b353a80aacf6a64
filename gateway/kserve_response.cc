#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "gateway/kserve_model.h"
#include "gateway/kserve_tensors.h"

namespace tandem {
namespace {

std::string LittleEndian(uint32_t value) {
  std::string bytes(sizeof(value), '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(value & 0xFF);
    value >>= 8;
  }
  return bytes;
}

std::string BytesElement(absl::string_view bytes) {
  return absl::StrCat(LittleEndian(static_cast<uint32_t>(bytes.size())), bytes);
}

absl::string_view FinishReasonText(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_STOP:
      return "stop";
    case v1::FINISH_REASON_LENGTH:
      return "length";
    case v1::FINISH_REASON_CANCELLED:
      return "cancelled";
    case v1::FINISH_REASON_ERROR:
      return "error";
    default:
      return "";
  }
}

std::string OutputBytes(KserveOutput output, const v1::ChatChunk& chunk) {
  switch (output) {
    case KserveOutput::kTextOutput:
      return BytesElement(chunk.delta_text());
    case KserveOutput::kFinishReason:
      return BytesElement(FinishReasonText(chunk.finish_reason()));
    case KserveOutput::kOutputTokens:
      return LittleEndian(static_cast<uint32_t>(chunk.token_ids_size()));
  }
  return "";
}

// The tensor that a field of ReadMessage's or ReadSampling's messages is from;
// empty: none.
std::string TensorOf(absl::string_view field) {
  constexpr absl::string_view kContent = "messages[0].content";
  if (absl::ConsumePrefix(&field, "sampling.")) {
    for (const KserveTensor& input : kKserveInputs) {
      if (input.name == field) return std::string(field);
    }
    return "";
  }
  if (field == "messages") return "image";  // too many of them, or tiles
  if (!absl::ConsumePrefix(&field, kContent)) return "";
  const size_t bracket = field.find(']');
  if (bracket != absl::string_view::npos && absl::ConsumePrefix(&field, "[")) {
    const absl::string_view index = field.substr(0, bracket - 1);
    absl::string_view rest = field.substr(bracket);
    if (absl::ConsumePrefix(&rest, ".image")) {
      return absl::StrCat("image[", index, "]", rest);
    }
  }
  return "text_input";
}

}  // namespace

inference::ModelInferResponse ToInferResponse(const KserveRequest& request,
                                              const v1::ChatChunk& chunk) {
  inference::ModelInferResponse response;
  response.set_model_name(chunk.model());
  response.set_model_version(kKserveModelVersion);
  response.set_id(request.id);
  for (const KserveOutput which : request.outputs) {
    const KserveTensor& tensor = kKserveOutputs[static_cast<size_t>(which)];
    auto& output = *response.add_outputs();
    output.set_name(std::string(tensor.name));
    output.set_datatype(std::string(tensor.datatype));
    output.add_shape(tensor.size);
    response.add_raw_output_contents(OutputBytes(which, chunk));
  }
  return response;
}

void AddChunk(const v1::ChatChunk& chunk, v1::ChatChunk& whole) {
  whole.set_model(chunk.model());
  whole.mutable_delta_text()->append(chunk.delta_text());
  whole.mutable_token_ids()->MergeFrom(chunk.token_ids());
  whole.set_finish_reason(chunk.finish_reason());
}

absl::Status AtTensor(const absl::Status& status) {
  const std::string field = ErrorField(status);
  const std::string tensor = TensorOf(field);
  absl::string_view description = status.message();
  if (tensor.empty() || !absl::ConsumePrefix(&description, field) ||
      !absl::ConsumePrefix(&description, ": ")) {
    return status;
  }
  return FieldError(tensor, ErrorReason(status), description);
}

}  // namespace tandem
