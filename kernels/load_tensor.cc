#include "kernels/load_tensor.h"

#include <ATen/ops/empty.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "kernels/host_staging.h"
#include "kernels/kernel_set.h"
#include "kernels/scalar_type.h"
#include "kernels/torch_status.h"
#include "kernels/weight_rows.h"

namespace tandem {
namespace {

absl::Status CheckShape(absl::string_view name, const RowShape& stored,
                        at::IntArrayRef wanted) {
  int64_t values = 1;
  for (const int64_t size : wanted) values *= size;
  if (stored.rows * stored.row_values == values) return absl::OkStatus();
  return WrongShape(
      name, absl::StrCat("[", stored.rows, " x ", stored.row_values, "]"),
      absl::StrCat("[", absl::StrJoin(wanted, ", "), "]"));
}

}  // namespace

absl::StatusOr<at::Tensor> LoadTensor(const WeightSource& source,
                                      absl::string_view name,
                                      at::IntArrayRef shape, DType dtype,
                                      at::Device device) {
  TANDEM_ASSIGN_OR_RETURN(const RowShape stored, ReadRowShape(source, name));
  TANDEM_RETURN_IF_ERROR(CheckShape(name, stored, shape));
  at::Tensor tensor;
  const absl::Status status = TorchToStatus([&] {
    KernelSetOf("LoadTensor", device);  // throws for one that is not built in
    tensor = at::empty(
        shape, at::TensorOptions().dtype(ToScalarType(dtype)).device(device));
    const at::Tensor flat = tensor.view({-1});
    HostStaging staging(device);
    return ForRowSlices(stored, dtype, [&](int64_t row, int64_t num_rows) {
      at::Tensor to =
          flat.narrow(0, row * stored.row_values, num_rows * stored.row_values);
      if (device.is_cpu()) {
        return source.ReadRows(name, row, num_rows, dtype, to.data_ptr());
      }
      TANDEM_RETURN_IF_ERROR(
          source.ReadRows(name, row, num_rows, dtype,
                          staging.Room(static_cast<int64_t>(to.nbytes()))));
      staging.Upload(to);
      return absl::OkStatus();
    });
  });
  TANDEM_RETURN_IF_ERROR(status);
  return tensor;
}

}  // namespace tandem
