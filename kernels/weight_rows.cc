#include "kernels/weight_rows.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "kernels/scalar_type.h"

namespace tandem {

absl::StatusOr<RowShape> ReadRowShape(const WeightSource& source,
                                      absl::string_view name) {
  TANDEM_ASSIGN_OR_RETURN(const std::vector<int64_t> sizes, source.Shape(name));
  RowShape shape{.rows = sizes.empty() ? 1 : sizes[0], .row_values = 1};
  for (size_t i = 1; i < sizes.size(); ++i) shape.row_values *= sizes[i];
  return shape;
}

absl::Status ForRowSlices(
    const RowShape& shape, DType dtype,
    const std::function<absl::Status(int64_t, int64_t)>& fn) {
  const auto item = static_cast<int64_t>(c10::elementSize(ToScalarType(dtype)));
  const int64_t row_bytes = std::max<int64_t>(1, shape.row_values * item);
  const int64_t most = std::max<int64_t>(1, kMaxSliceBytes / row_bytes);
  for (int64_t row = 0; row < shape.rows; row += most) {
    TANDEM_RETURN_IF_ERROR(fn(row, std::min(most, shape.rows - row)));
  }
  return absl::OkStatus();
}

absl::Status WrongShape(absl::string_view name, absl::string_view stored,
                        absl::string_view wanted) {
  return absl::FailedPreconditionError(
      absl::StrCat("tensor ", name, " is ", stored, ", not ", wanted));
}

}  // namespace tandem
