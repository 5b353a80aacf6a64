#include "gateway/kserve_tensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "gateway/kserve_model.h"

namespace tandem {
namespace {

using inference::InferTensorContents;
using inference::ModelInferRequest;
using Parameters =
    google::protobuf::Map<std::string, inference::InferParameter>;

// A name that a client sent, as an error may show it.
std::string Shown(absl::string_view name) {
  return name.empty() ? "\"\"" : absl::Utf8SafeCHexEscape(name.substr(0, 64));
}

// An input of the request and where its values are.
struct Input {
  const KserveTensor* tensor = nullptr;  // what it should be
  const ModelInferRequest::InferInputTensor* given =
      nullptr;                       // null: not given
  const std::string* raw = nullptr;  // null: in given->contents()

  absl::Status Error(absl::string_view description) const {
    return FieldError(tensor->name, description);
  }
};
using Inputs = std::array<Input, static_cast<size_t>(KserveInput::kCount)>;

const Input& At(const Inputs& inputs, KserveInput which) {
  return inputs[static_cast<size_t>(which)];
}

std::string ShapeText(const Input& input) {
  const auto& shape = input.given->shape();
  const int shown = std::min(shape.size(), 8);
  return absl::StrCat("shape [",
                      absl::StrJoin(shape.begin(), shape.begin() + shown, ", "),
                      shown < shape.size() ? ", ..." : "", "]");
}

// Of the only dimension that our tensors have.
absl::Status CheckShape(const Input& input, int64_t most) {
  const auto& shape = input.given->shape();
  const int64_t least = input.tensor->size < 0 ? 0 : input.tensor->size;
  if (input.tensor->size >= 0) most = least;
  if (shape.size() == 1 && shape[0] >= least && shape[0] <= most) {
    return absl::OkStatus();
  }
  return input.Error(
      least == most
          ? absl::StrCat(ShapeText(input), " is not [", least, "]")
          : absl::StrCat(ShapeText(input), " is not one dimension of ", least,
                         " to ", most));
}

absl::Status CheckInput(const Input& input, int max_images) {
  if (!input.given->parameters().empty()) {
    return input.Error(absl::StrCat(
        "parameter \"", Shown(input.given->parameters().begin()->first),
        "\" is not supported"));
  }
  const absl::string_view datatype = input.tensor->datatype;
  if (input.given->datatype() != datatype) {
    return input.Error(absl::StrCat(
        "datatype \"", Shown(input.given->datatype()), "\" is not ", datatype));
  }
  TANDEM_RETURN_IF_ERROR(CheckShape(input, max_images));
  if (input.raw != nullptr && input.given->has_contents()) {
    return input.Error("has contents beside its raw_input_contents");
  }
  return absl::OkStatus();
}

// Each input under its name, checked but for its values.
absl::StatusOr<Inputs> FindInputs(const ModelInferRequest& request,
                                  int max_images) {
  const int num_raw = request.raw_input_contents_size();
  Inputs inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    inputs[i].tensor = &kKserveInputs[i];
  }
  for (int i = 0; i < request.inputs_size(); ++i) {
    const auto& given = request.inputs(i);
    const auto input = std::find_if(
        inputs.begin(), inputs.end(),
        [&](const Input& input) { return input.tensor->name == given.name(); });
    if (input == inputs.end()) {
      return FieldError(Shown(given.name()), "is no input of this model");
    }
    if (input->given != nullptr) return input->Error("is given twice");
    input->given = &given;
    if (num_raw > 0) {
      if (i >= num_raw) {
        return input->Error(absl::StrCat(
            "raw_input_contents has no entry for it, only ", num_raw));
      }
      input->raw = &request.raw_input_contents(i);
    }
    TANDEM_RETURN_IF_ERROR(CheckInput(*input, max_images));
  }
  if (num_raw > request.inputs_size()) {
    return FieldError("raw_input_contents",
                      absl::StrCat(num_raw, " entries for ",
                                   request.inputs_size(), " inputs"));
  }
  for (const Input& input : inputs) {
    if (input.given == nullptr && !input.tensor->optional) {
      return input.Error("is missing");
    }
  }
  return inputs;
}

// `have` values of the input's datatype, and nothing of another one.
absl::Status CheckContents(const Input& input, int have) {
  const InferTensorContents& contents = input.given->contents();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  InferTensorContents::GetReflection()->ListFields(contents, &fields);
  if (fields.size() > (have > 0 ? 1 : 0)) {
    return input.Error("contents holds values of another datatype");
  }
  if (have == input.given->shape(0)) return absl::OkStatus();
  return input.Error(absl::StrCat("contents holds ", have, " values, ",
                                  ShapeText(input), " takes ",
                                  input.given->shape(0)));
}

template <class Value>
absl::StatusOr<Value> ReadScalar(
    const Input& input, const google::protobuf::RepeatedField<Value>& values) {
  if (input.raw == nullptr) {
    TANDEM_RETURN_IF_ERROR(CheckContents(input, values.size()));
    return values[0];
  }
  if (input.raw->size() != sizeof(Value)) {
    return input.Error(
        absl::StrCat(input.raw->size(), " bytes, ", input.tensor->datatype,
                     " of ", ShapeText(input), " takes ", sizeof(Value)));
  }
  if constexpr (std::is_same_v<Value, bool>) {
    const auto byte = static_cast<uint8_t>(input.raw->front());
    if (byte > 1) {
      return input.Error(absl::StrCat("byte ", byte, " is neither 0 nor 1"));
    }
    return byte == 1;
  } else {
    Value value;
    std::memcpy(&value, input.raw->data(), sizeof(value));
    return value;
  }
}

constexpr size_t kLengthBytes = 4;

uint32_t ReadLength(absl::string_view bytes) {
  uint32_t length = 0;
  for (size_t i = kLengthBytes; i-- > 0;) {
    length = length << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return length;
}

// The elements of a BYTES tensor, borrowed from the request.
absl::StatusOr<std::vector<absl::string_view>> ReadElements(
    const Input& input) {
  std::vector<absl::string_view> elements;
  if (input.raw == nullptr) {
    const auto& values = input.given->contents().bytes_contents();
    TANDEM_RETURN_IF_ERROR(CheckContents(input, values.size()));
    elements.assign(values.begin(), values.end());
    return elements;
  }
  absl::string_view rest = *input.raw;
  for (int64_t i = 0; i < input.given->shape(0); ++i) {
    if (rest.size() < kLengthBytes) {
      return input.Error(absl::StrCat("its bytes end before element ", i,
                                      " of ", input.given->shape(0)));
    }
    const uint32_t length = ReadLength(rest);
    rest.remove_prefix(kLengthBytes);
    if (length > rest.size()) {
      return input.Error(absl::StrCat("element ", i, " is said to have ",
                                      length, " bytes, ", rest.size(),
                                      " are left"));
    }
    elements.push_back(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  if (!rest.empty()) {
    return input.Error(absl::StrCat(rest.size(), " bytes are left after the ",
                                    elements.size(), " elements of its shape"));
  }
  return elements;
}

// One user message: the images, then the text.
absl::Status ReadMessage(const Inputs& inputs, v1::ChatMessage& message) {
  message.set_role("user");
  if (const Input& image = At(inputs, KserveInput::kImage);
      image.given != nullptr) {
    TANDEM_ASSIGN_OR_RETURN(const std::vector<absl::string_view> files,
                            ReadElements(image));
    for (const absl::string_view file : files) {
      message.add_content()->mutable_image()->set_data(std::string(file));
    }
  }
  const Input& text = At(inputs, KserveInput::kTextInput);
  TANDEM_ASSIGN_OR_RETURN(const std::vector<absl::string_view> texts,
                          ReadElements(text));
  if (absl::Status status = CheckUtf8(texts[0]); !status.ok()) {
    return text.Error(status.message());
  }
  message.add_content()->set_text(std::string(texts[0]));
  return absl::OkStatus();
}

absl::Status ReadSampling(const Inputs& inputs, v1::Sampling& sampling) {
  if (const Input& input = At(inputs, KserveInput::kMaxTokens);
      input.given != nullptr) {
    TANDEM_ASSIGN_OR_RETURN(
        const int32_t max_tokens,
        ReadScalar(input, input.given->contents().int_contents()));
    if (max_tokens < 1) {
      return input.Error(absl::StrCat(max_tokens, " is outside [1, ",
                                      std::numeric_limits<int32_t>::max(),
                                      "]"));
    }
    sampling.set_max_tokens(static_cast<uint32_t>(max_tokens));
  }
  if (const Input& input = At(inputs, KserveInput::kTemperature);
      input.given != nullptr) {
    TANDEM_ASSIGN_OR_RETURN(
        const float temperature,
        ReadScalar(input, input.given->contents().fp32_contents()));
    sampling.set_temperature(temperature);
  }
  return absl::OkStatus();
}

// Triton's clients set these of their own accord: every answer ends with a
// response that says so, and all requests have one priority.
absl::Status CheckParameters(const Parameters& parameters) {
  for (const auto& [name, value] : parameters) {
    if (name != "triton_enable_empty_final_response" && name != "priority") {
      return FieldError(absl::StrCat("parameters[\"", Shown(name), "\"]"),
                        "is no parameter of this model");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<KserveOutput>> ReadOutputs(
    const ModelInferRequest& request) {
  std::vector<KserveOutput> outputs;
  for (const auto& wanted : request.outputs()) {
    const auto* const output = std::find_if(
        std::begin(kKserveOutputs), std::end(kKserveOutputs),
        [&](const KserveTensor& it) { return it.name == wanted.name(); });
    if (output == std::end(kKserveOutputs)) {
      return FieldError(Shown(wanted.name()), "is no output of this model");
    }
    if (!wanted.parameters().empty()) {
      return FieldError(output->name,
                        absl::StrCat("parameter \"",
                                     Shown(wanted.parameters().begin()->first),
                                     "\" is not supported"));
    }
    const auto which =
        static_cast<KserveOutput>(output - std::begin(kKserveOutputs));
    if (std::find(outputs.begin(), outputs.end(), which) != outputs.end()) {
      return FieldError(output->name, "is asked for twice");
    }
    outputs.push_back(which);
  }
  if (outputs.empty()) {
    outputs = {KserveOutput::kTextOutput, KserveOutput::kFinishReason,
               KserveOutput::kOutputTokens};
  }
  return outputs;
}

}  // namespace

absl::Status CheckKserveVersion(const std::string& model,
                                const std::string& version) {
  if (version.empty() || version == kKserveModelVersion) {
    return absl::OkStatus();
  }
  return MakeError(
      absl::StatusCode::kNotFound, reason::kModelNotFound,
      absl::StrCat("version \"", Shown(version), "\" of model \"", Shown(model),
                   "\" is not served; \"", kKserveModelVersion, "\" is"),
      {{"model", Shown(model)}, {"version", Shown(version)}});
}

absl::StatusOr<KserveRequest> ParseInferRequest(ModelInferRequest request,
                                                int max_images) {
  KserveRequest parsed;
  parsed.id = request.id();
  parsed.chat.set_model(request.model_name());
  TANDEM_RETURN_IF_ERROR(
      CheckKserveVersion(request.model_name(), request.model_version()));
  TANDEM_RETURN_IF_ERROR(CheckParameters(request.parameters()));
  TANDEM_ASSIGN_OR_RETURN(parsed.outputs, ReadOutputs(request));
  TANDEM_ASSIGN_OR_RETURN(const Inputs inputs, FindInputs(request, max_images));
  TANDEM_RETURN_IF_ERROR(ReadMessage(inputs, *parsed.chat.add_messages()));
  TANDEM_RETURN_IF_ERROR(ReadSampling(inputs, *parsed.chat.mutable_sampling()));
  if (const Input& input = At(inputs, KserveInput::kStream);
      input.given != nullptr) {
    TANDEM_ASSIGN_OR_RETURN(
        parsed.stream,
        ReadScalar(input, input.given->contents().bool_contents()));
  }
  return parsed;
}

}  // namespace tandem
