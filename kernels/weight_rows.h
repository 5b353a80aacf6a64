#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/weight_source.h"

namespace tandem {

// Bytes of a tensor that are read in one go.
inline constexpr int64_t kMaxSliceBytes = int64_t{16} << 20;

// A tensor as rows: its first dimension, and the product of the others.
struct RowShape {
  int64_t rows = 0;
  int64_t row_values = 0;
};
absl::StatusOr<RowShape> ReadRowShape(const WeightSource& source,
                                      absl::string_view name);

// Calls fn(first_row, num_rows) for runs of rows of at most kMaxSliceBytes, one
// row at least, in order, until all are done or one fails.
absl::Status ForRowSlices(
    const RowShape& shape, DType dtype,
    const std::function<absl::Status(int64_t, int64_t)>& fn);

// FAILED_PRECONDITION: `name` holds `stored` where `wanted` was expected.
absl::Status WrongShape(absl::string_view name, absl::string_view stored,
                        absl::string_view wanted);

}  // namespace tandem
