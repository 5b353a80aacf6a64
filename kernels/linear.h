#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/dtype.h"
#include "common/weight_source.h"
#include "kernels/kernel_set.h"

namespace tandem {

// The weights of a linear layer, [out_features, in_features], kept in the
// layout that the device multiplies fastest, and its bias. Several checkpoint
// tensors may be stacked by rows into one (q, k, v; gate, up).
//
// For KernelSet::kCpu: panels of 16 output features. float32 keeps [in][16] in
// each panel; bfloat16 keeps [in / 2][16][2], two neighbouring inputs to a
// 32-bit word. Both are padded with zeros to whole panels and even `in`.
// For KernelSet::kPlain: [out_features, in_features] as it is.
//
// Cheap to copy: copies share the memory. Const use is thread-safe.
class LinearWeight {
 public:
  // Holds nothing; only assignment and defined() are allowed.
  LinearWeight() = default;

  // Reads the tensors `weights`, stacked by rows, and `biases` (empty: no bias;
  // else one for each of `weights`). A weight may have more than two
  // dimensions: all behind the first count as `in_features`. Never holds more
  // than 16 MiB (or one row) of a tensor in host memory beside the result.
  //
  // What WeightSource answers; FAILED_PRECONDITION, naming the tensor, when the
  // rows do not add up to `out_features` or a row is not `in_features` long;
  // RESOURCE_EXHAUSTED DEVICE_OUT_OF_MEMORY.
  static absl::StatusOr<LinearWeight> Load(
      const WeightSource& source, absl::Span<const std::string> weights,
      absl::Span<const std::string> biases, int64_t out_features,
      int64_t in_features, DType dtype, at::Device device);

  // Packs `weight` [out_features, in_features], float32 or bfloat16, for the
  // device that it is on, and `bias` ([out_features] of the same dtype, or
  // undefined).
  static LinearWeight FromTensor(const at::Tensor& weight,
                                 const at::Tensor& bias = {});

  bool defined() const { return packed_.defined(); }
  KernelSet kernel_set() const { return kernel_set_; }
  int64_t out_features() const { return out_features_; }
  int64_t in_features() const { return in_features_; }
  at::ScalarType dtype() const { return packed_.scalar_type(); }
  at::Device device() const { return packed_.device(); }
  int64_t num_bytes() const;

  // The layout above, panels flat; and the bias, undefined where there is none.
  const at::Tensor& packed() const { return packed_; }
  const at::Tensor& bias() const { return bias_; }

 private:
  LinearWeight(int64_t out_features, int64_t in_features, at::ScalarType dtype,
               at::Device device);

  KernelSet kernel_set_ = KernelSet::kCpu;
  int64_t out_features_ = 0;
  int64_t in_features_ = 0;
  at::Tensor packed_;
  at::Tensor bias_;
};

// out[t, n] = sum_k x[t, k] * weight[n, k] + bias[n]
//   x    [num_tokens, in_features], dtype and device of the weight
//   out  [num_tokens, out_features], like x; must not overlap x
// Rows of x and out may be strided; their last dimension is dense.
//
// Products and sums in float32, rounded once to out's dtype. On KernelSet::kCpu
// each value is summed in one fixed order: runs of 256 inputs one after the
// other, then the runs; so it depends on its row of x alone, never on
// num_tokens or threads.
// Queued on x's current stream. A breach of the shapes throws c10::Error.
void Linear(const at::Tensor& x, const LinearWeight& weight, at::Tensor& out);

}  // namespace tandem
