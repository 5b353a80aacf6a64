#include "kernels/linear.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "kernels/checks.h"
#include "kernels/cpu/huge_tensor.h"
#include "kernels/host_staging.h"
#include "kernels/kernel_set.h"
#include "kernels/linear_cpu.h"
#include "kernels/plain/plain.h"
#include "kernels/scalar_type.h"
#include "kernels/torch_status.h"
#include "kernels/weight_rows.h"

namespace tandem {
namespace {

// Puts the rows of `name` from `first_row` on in their place; returns the row
// behind them.
absl::StatusOr<int64_t> PlaceTensor(const WeightSource& source,
                                    const std::string& name, int64_t first_row,
                                    int64_t out_features, int64_t in_features,
                                    DType dtype, KernelSet kernel_set,
                                    at::Tensor& packed) {
  TANDEM_ASSIGN_OR_RETURN(const RowShape shape, ReadRowShape(source, name));
  if (shape.row_values != in_features ||
      first_row + shape.rows > out_features) {
    return WrongShape(
        name, absl::StrCat("[", shape.rows, " x ", shape.row_values, "]"),
        absl::StrCat("[", out_features - first_row, " x ", in_features,
                     "] or fewer rows"));
  }
  HostStaging staging(packed.device());
  const int64_t row_bytes =
      in_features * static_cast<int64_t>(packed.element_size());
  TANDEM_RETURN_IF_ERROR(
      ForRowSlices(shape, dtype, [&](int64_t row, int64_t num_rows) {
        char* slice = staging.Room(num_rows * row_bytes);
        TANDEM_RETURN_IF_ERROR(
            source.ReadRows(name, row, num_rows, dtype, slice));
        if (kernel_set == KernelSet::kCpu) {
          cpu::PackRows(slice, first_row + row, num_rows, in_features, packed);
        } else {
          at::Tensor to = packed.narrow(0, first_row + row, num_rows);
          staging.Upload(to);
        }
        return absl::OkStatus();
      }));
  return first_row + shape.rows;
}

absl::Status PlaceAll(const WeightSource& source,
                      absl::Span<const std::string> names, int64_t out_features,
                      int64_t in_features, DType dtype, KernelSet kernel_set,
                      at::Tensor& packed) {
  int64_t row = 0;
  for (const std::string& name : names) {
    TANDEM_ASSIGN_OR_RETURN(
        row, PlaceTensor(source, name, row, out_features, in_features, dtype,
                         kernel_set, packed));
  }
  if (row == out_features) return absl::OkStatus();
  return WrongShape(names.empty() ? "" : names.back(),
                    absl::StrCat("the last of ", row, " rows"),
                    absl::StrCat(out_features, " rows"));
}

absl::Status ReadBias(const WeightSource& source,
                      absl::Span<const std::string> names, DType dtype,
                      at::Tensor& bias) {
  int64_t row = 0;
  HostStaging staging(bias.device());
  for (const std::string& name : names) {
    TANDEM_ASSIGN_OR_RETURN(const RowShape shape, ReadRowShape(source, name));
    if (shape.row_values != 1 || row + shape.rows > bias.numel()) {
      return WrongShape(name, absl::StrCat(shape.rows, " x ", shape.row_values),
                        absl::StrCat(bias.numel() - row, " values or fewer"));
    }
    at::Tensor to = bias.narrow(0, row, shape.rows);
    TANDEM_RETURN_IF_ERROR(
        source.ReadRows(name, 0, shape.rows, dtype,
                        staging.Room(static_cast<int64_t>(to.nbytes()))));
    staging.Upload(to);
    row += shape.rows;
  }
  if (row == bias.numel()) return absl::OkStatus();
  return WrongShape(names.back(), absl::StrCat("the last of ", row, " values"),
                    absl::StrCat(bias.numel(), " values"));
}

}  // namespace

LinearWeight::LinearWeight(int64_t out_features, int64_t in_features,
                           at::ScalarType dtype, at::Device device)
    : kernel_set_(KernelSetOf("LinearWeight", device)),
      out_features_(out_features),
      in_features_(in_features) {
  switch (kernel_set_) {
    case KernelSet::kCpu:
      packed_ =
          cpu::EmptyHuge(cpu::PackedSize(out_features, in_features), dtype);
      cpu::PackPadding(out_features, in_features, packed_);
      break;
    case KernelSet::kPlain:
      packed_ = at::empty({out_features, in_features},
                          at::TensorOptions().dtype(dtype).device(device));
  }
}

absl::StatusOr<LinearWeight> LinearWeight::Load(
    const WeightSource& source, absl::Span<const std::string> weights,
    absl::Span<const std::string> biases, int64_t out_features,
    int64_t in_features, DType dtype, at::Device device) {
  LinearWeight weight;
  const absl::Status status = TorchToStatus([&]() -> absl::Status {
    weight =
        LinearWeight(out_features, in_features, ToScalarType(dtype), device);
    TANDEM_RETURN_IF_ERROR(PlaceAll(source, weights, out_features, in_features,
                                    dtype, weight.kernel_set_, weight.packed_));
    if (biases.empty()) return absl::OkStatus();
    weight.bias_ = at::empty({out_features}, weight.packed_.options());
    return ReadBias(source, biases, dtype, weight.bias_);
  });
  TANDEM_RETURN_IF_ERROR(status);
  return weight;
}

LinearWeight LinearWeight::FromTensor(const at::Tensor& weight,
                                      const at::Tensor& bias) {
  CheckTensor("LinearWeight", "weight", weight, 2);
  LinearWeight result(weight.size(0), weight.size(1), weight.scalar_type(),
                      weight.device());
  switch (result.kernel_set_) {
    case KernelSet::kCpu:
      cpu::PackRows(weight.contiguous().data_ptr(), /*first_row=*/0,
                    weight.size(0), weight.size(1), result.packed_);
      break;
    case KernelSet::kPlain:
      result.packed_.copy_(weight);
  }
  if (bias.defined()) {
    CheckVector("LinearWeight", "bias", bias, weight.size(0), weight);
    result.bias_ = bias.contiguous();
  }
  return result;
}

int64_t LinearWeight::num_bytes() const {
  if (!defined()) return 0;
  const int64_t values =
      packed_.numel() + (bias_.defined() ? bias_.numel() : 0);
  return values * static_cast<int64_t>(packed_.element_size());
}

void Linear(const at::Tensor& x, const LinearWeight& weight, at::Tensor& out) {
  CheckTensor("Linear", "x", x, 2);
  CheckLike("Linear", "out", out, x);
  TORCH_CHECK(weight.defined(), "Linear: the weight holds nothing");
  TORCH_CHECK(
      weight.dtype() == x.scalar_type() && weight.device() == x.device(),
      "Linear: x is ", x.scalar_type(), " on ", x.device(), ", the weight ",
      weight.dtype(), " on ", weight.device());
  TORCH_CHECK(
      x.size(1) == weight.in_features() &&
          out.size(1) == weight.out_features() && out.size(0) == x.size(0),
      "Linear: x is ", x.sizes(), ", out ", out.sizes(), ", the weight [",
      weight.out_features(), ", ", weight.in_features(), "]");
  switch (weight.kernel_set()) {
    case KernelSet::kCpu:
      return cpu::Linear(x, weight, out);
    case KernelSet::kPlain:
      return plain::Linear(x, weight, out);
  }
}

}  // namespace tandem
