#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/cpu/cpu_kernels.h"

namespace tandem::cpu {

// a / b rounded up, for a >= 0 and b > 0.
inline int64_t DivUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The values of a CPU tensor as T, which is float or Bf16 like its dtype.
template <typename T>
T* Data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

// Rows of a tensor whose rows may be strided.
template <typename T>
class Rows {
 public:
  explicit Rows(const at::Tensor& tensor)
      : data_(Data<T>(tensor)), stride_(tensor.stride(0)) {}
  T* operator[](int64_t row) const { return data_ + row * stride_; }

 private:
  T* data_;
  int64_t stride_;
};

// Calls fn(T{}) with the type that stands for `dtype`, which was checked.
template <typename F>
void ForDType(at::ScalarType dtype, const F& fn) {
  if (dtype == at::kFloat) {
    fn(float{});
  } else {
    fn(Bf16{});
  }
}

}  // namespace tandem::cpu
