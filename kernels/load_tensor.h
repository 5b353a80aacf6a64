#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/dtype.h"
#include "common/weight_source.h"

namespace tandem {

// Reads the tensor `name` whole, as `dtype` on `device`, shaped `shape`: the
// same number of values as stored, so dimensions of size 1 may be left out.
//
// What WeightSource answers; FAILED_PRECONDITION, naming the tensor and both
// shapes, when the numbers of values differ; RESOURCE_EXHAUSTED
// DEVICE_OUT_OF_MEMORY.
absl::StatusOr<at::Tensor> LoadTensor(const WeightSource& source,
                                      absl::string_view name,
                                      at::IntArrayRef shape, DType dtype,
                                      at::Device device);

}  // namespace tandem
