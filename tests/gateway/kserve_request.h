#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "triton/grpc_service.pb.h"

namespace tandem {

// Values as raw_input_contents and raw_output_contents hold them.
template <class Value>
std::string RawValue(Value value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

inline std::string RawBytes(const std::vector<std::string>& elements) {
  std::string raw;
  for (const std::string& element : elements) {
    absl::StrAppend(&raw, RawValue(static_cast<uint32_t>(element.size())),
                    element);
  }
  return raw;
}

inline inference::ModelInferRequest::InferInputTensor& AddInput(
    const std::string& name, const std::string& datatype, int64_t size,
    inference::ModelInferRequest& request) {
  auto& input = *request.add_inputs();
  input.set_name(name);
  input.set_datatype(datatype);
  input.add_shape(size);
  return input;
}

inline void AddRaw(const std::string& name, const std::string& datatype,
                   int64_t size, const std::string& raw,
                   inference::ModelInferRequest& request) {
  AddInput(name, datatype, size, request);
  request.add_raw_input_contents(raw);
}

inline void AddImages(const std::vector<std::string>& files,
                      inference::ModelInferRequest& request) {
  AddRaw("image", "BYTES", static_cast<int64_t>(files.size()), RawBytes(files),
         request);
}

inline void SetStream(bool stream, inference::ModelInferRequest& request) {
  AddRaw("stream", "BOOL", 1, std::string(1, stream ? '\1' : '\0'), request);
}

// A text alone.
inline inference::ModelInferRequest InferRequest(
    const std::string& id = "q-1", const std::string& text = "hello") {
  inference::ModelInferRequest request;
  request.set_id(id);
  AddRaw("text_input", "BYTES", 1, RawBytes({text}), request);
  return request;
}

// What an output of BYTES[1] says; "?" where it does not hold one element.
inline std::string OutputText(const inference::ModelInferResponse& response,
                              const std::string& name) {
  for (int i = 0; i < response.outputs_size(); ++i) {
    if (response.outputs(i).name() != name) continue;
    const std::string& raw = response.raw_output_contents(i);
    const std::string text = raw.substr(std::min<size_t>(4, raw.size()));
    return raw == RawBytes({text}) ? text : "?";
  }
  return "?";
}

inline int32_t OutputTokens(const inference::ModelInferResponse& response) {
  for (int i = 0; i < response.outputs_size(); ++i) {
    if (response.outputs(i).name() != "output_tokens") continue;
    int32_t tokens = 0;
    if (response.raw_output_contents(i).size() != sizeof(tokens)) return -1;
    std::memcpy(&tokens, response.raw_output_contents(i).data(),
                sizeof(tokens));
    return tokens;
  }
  return -1;
}

}  // namespace tandem
