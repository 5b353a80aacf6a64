#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/linear.h"

namespace tandem::cpu {

// Values of the packed form of [out_features, in_features].
int64_t PackedSize(int64_t out_features, int64_t in_features);

// Puts rows [first_row, first_row + num_rows) of a weight, dense at `rows`,
// into `packed`. Any order; PackPadding() does the rest.
void PackRows(const void* rows, int64_t first_row, int64_t num_rows,
              int64_t in_features, at::Tensor& packed);
void PackPadding(int64_t out_features, int64_t in_features, at::Tensor& packed);

void Linear(const at::Tensor& x, const LinearWeight& weight, at::Tensor& out);

}  // namespace tandem::cpu
