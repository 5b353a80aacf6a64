#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "gateway/kserve_tensors.h"

namespace tandem {

// The tensors of gateway/kserve_tensors.h as a table.
enum class KserveInput {
  kTextInput,
  kImage,
  kMaxTokens,
  kTemperature,
  kStream,
  kCount
};

struct KserveTensor {
  absl::string_view name;
  absl::string_view datatype;  // as the protocol writes it
  inference::DataType type;    // the same, as the configuration does
  int64_t size;                // of its only dimension; -1: any
  bool optional;
};

inline constexpr KserveTensor kKserveInputs[] = {
    {"text_input", "BYTES", inference::TYPE_STRING, 1, false},
    {"image", "BYTES", inference::TYPE_STRING, -1, true},
    {"max_tokens", "INT32", inference::TYPE_INT32, 1, true},
    {"temperature", "FP32", inference::TYPE_FP32, 1, true},
    {"stream", "BOOL", inference::TYPE_BOOL, 1, true},
};
inline constexpr KserveTensor kKserveOutputs[] = {
    {"text_output", "BYTES", inference::TYPE_STRING, 1, false},
    {"finish_reason", "BYTES", inference::TYPE_STRING, 1, false},
    {"output_tokens", "INT32", inference::TYPE_INT32, 1, false},
};

}  // namespace tandem
