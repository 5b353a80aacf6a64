#pragma once

#include <ATen/core/Tensor.h>

#include "common/dtype.h"

namespace tandem {

// The element type of tensors that hold `dtype`.
inline at::ScalarType ToScalarType(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return at::kFloat;
    case DType::kBFloat16:
      return at::kBFloat16;
    case DType::kFloat16:
      return at::kHalf;
  }
  return at::kFloat;
}

}  // namespace tandem
