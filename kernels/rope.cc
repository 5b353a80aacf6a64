#include "kernels/rope.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <vector>

#include "kernels/checks.h"
#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/rows.h"
#include "kernels/kernel_set.h"
#include "kernels/plain/plain.h"

namespace tandem {
namespace cpu {
namespace {

template <typename T>
void FillAngles(const int32_t* positions, const std::vector<float>& frequencies,
                at::Tensor& cos, at::Tensor& sin) {
  const auto half = static_cast<int64_t>(frequencies.size());
  T* cos_data = cos.data_ptr<T>();
  T* sin_data = sin.data_ptr<T>();
  ParallelFor(cos.size(0), RowGrain(64 * half),
              [&](int64_t begin, int64_t end) {
                for (int64_t t = begin; t < end; ++t) {
                  const auto position = static_cast<float>(positions[t]);
                  for (int64_t i = 0; i < half; ++i) {
                    const float angle = position * frequencies[i];
                    cos_data[t * half + i] = static_cast<T>(std::cos(angle));
                    sin_data[t * half + i] = static_cast<T>(std::sin(angle));
                  }
                }
              });
}

void RopeCosSin(const at::Tensor& positions, double theta, at::Tensor& cos,
                at::Tensor& sin) {
  const std::vector<float> frequencies =
      RopeFrequencies(theta, 2 * cos.size(1));
  const auto* data = positions.data_ptr<int32_t>();
  if (cos.scalar_type() == at::kFloat) {
    FillAngles<float>(data, frequencies, cos, sin);
  } else {
    FillAngles<c10::BFloat16>(data, frequencies, cos, sin);
  }
}

void ApplyRope(const at::Tensor& cos, const at::Tensor& sin, at::Tensor& x) {
  ForDType(x.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const RowKernels<T>& kernels = ActiveKernels().rows<T>();
    const Rows<T> cos_rows(cos), sin_rows(sin), rows(x);
    const int64_t heads = x.size(1), head_dim = x.size(2), step = x.stride(1);
    ParallelFor(x.size(0), RowGrain(heads * head_dim),
                [&](int64_t begin, int64_t end) {
                  for (int64_t t = begin; t < end; ++t) {
                    for (int64_t h = 0; h < heads; ++h) {
                      kernels.rope(cos_rows[t], sin_rows[t], head_dim / 2,
                                   rows[t] + h * step);
                    }
                  }
                });
  });
}

}  // namespace
}  // namespace cpu

std::vector<float> RopeFrequencies(double theta, int64_t head_dim) {
  std::vector<float> frequencies(head_dim / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent =
        static_cast<float>(2 * i) / static_cast<float>(head_dim);
    frequencies[i] = 1.0f / std::pow(static_cast<float>(theta), exponent);
  }
  return frequencies;
}

void RopeCosSin(const at::Tensor& positions, double theta, at::Tensor& cos,
                at::Tensor& sin) {
  CheckTensor("RopeCosSin", "cos", cos, 2);
  CheckSameShape("RopeCosSin", "sin", sin, cos);
  TORCH_CHECK(cos.is_contiguous() && sin.is_contiguous(),
              "RopeCosSin: cos or sin is not dense");
  TORCH_CHECK(positions.scalar_type() == at::kInt &&
                  positions.is_contiguous() &&
                  positions.numel() == cos.size(0) &&
                  positions.device() == cos.device(),
              "RopeCosSin: positions is not ", cos.size(0), " int32 values");
  switch (KernelSetOf("RopeCosSin", cos.device())) {
    case KernelSet::kCpu:
      return cpu::RopeCosSin(positions, theta, cos, sin);
    case KernelSet::kPlain:
      return plain::RopeCosSin(positions, theta, cos, sin);
  }
}

void ApplyRope(const at::Tensor& cos, const at::Tensor& sin, at::Tensor& x) {
  CheckTensor("ApplyRope", "x", x, 3);
  CheckTensor("ApplyRope", "cos", cos, 2);
  CheckSameShape("ApplyRope", "sin", sin, cos);
  TORCH_CHECK(cos.size(0) == x.size(0) && 2 * cos.size(1) == x.size(2),
              "ApplyRope: cos is ", cos.sizes(), " for x of ", x.sizes());
  TORCH_CHECK(
      cos.scalar_type() == x.scalar_type() && cos.device() == x.device(),
      "ApplyRope: cos is ", cos.scalar_type(), ", x is ", x.scalar_type());
  switch (KernelSetOf("ApplyRope", x.device())) {
    case KernelSet::kCpu:
      return cpu::ApplyRope(cos, sin, x);
    case KernelSet::kPlain:
      return plain::ApplyRope(cos, sin, x);
  }
}

}  // namespace tandem
