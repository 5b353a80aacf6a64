#include "kernels/checks.h"

#include <c10/util/Exception.h>

namespace tandem {

void CheckTensor(const char* op, const char* name, const at::Tensor& tensor,
                 int64_t dims) {
  TORCH_CHECK(tensor.dim() == dims, op, ": ", name, " has ", tensor.dim(),
              " dimensions, not ", dims);
  TORCH_CHECK(tensor.scalar_type() == at::kFloat ||
                  tensor.scalar_type() == at::kBFloat16,
              op, ": ", name, " is ", tensor.scalar_type(),
              ", not float32 or bfloat16");
  TORCH_CHECK(tensor.size(-1) <= 1 || tensor.stride(-1) == 1, op, ": ", name,
              "'s last dimension is not dense");
}

void CheckLike(const char* op, const char* name, const at::Tensor& tensor,
               const at::Tensor& other) {
  CheckTensor(op, name, tensor, other.dim());
  TORCH_CHECK(tensor.scalar_type() == other.scalar_type(), op, ": ", name,
              " is ", tensor.scalar_type(), ", not ", other.scalar_type());
  TORCH_CHECK(tensor.device() == other.device(), op, ": ", name, " is on ",
              tensor.device(), ", not ", other.device());
}

void CheckSameShape(const char* op, const char* name, const at::Tensor& tensor,
                    const at::Tensor& other) {
  CheckLike(op, name, tensor, other);
  TORCH_CHECK(tensor.sizes() == other.sizes(), op, ": ", name, " is ",
              tensor.sizes(), ", not ", other.sizes());
}

void CheckVector(const char* op, const char* name, const at::Tensor& tensor,
                 int64_t size, const at::Tensor& other) {
  CheckTensor(op, name, tensor, 1);
  TORCH_CHECK(tensor.numel() == size, op, ": ", name, " has ", tensor.numel(),
              " values, not ", size);
  TORCH_CHECK(tensor.scalar_type() == other.scalar_type() &&
                  tensor.device() == other.device(),
              op, ": ", name, " is ", tensor.scalar_type(), " on ",
              tensor.device(), ", not ", other.scalar_type(), " on ",
              other.device());
}

void ThrowNoDevice(const char* op, at::Device device) {
  TORCH_CHECK(false, op, ": not built for ", device);
}

}  // namespace tandem
