#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tandem/v1/types.pb.h"

namespace tandem {

// Element types of weights in files. Compute and wire know kFloat32 and
// kBFloat16 only.
enum class DType { kFloat32, kBFloat16, kFloat16 };

// Bytes of one value.
size_t ElementSize(DType dtype);
// "float32", "bfloat16", "float16".
absl::string_view DTypeName(DType dtype);
// The reverse; INVALID_ARGUMENT names what is accepted.
absl::StatusOr<DType> ParseDType(absl::string_view name);

// Wire form. kFloat16 has none: it becomes DTYPE_UNSPECIFIED.
v1::DType ToProto(DType dtype);
absl::StatusOr<DType> FromProto(v1::DType dtype);

}  // namespace tandem
