#include "kernels/plain/plain.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/silu.h>

#include <vector>

#include "kernels/rope.h"

namespace tandem::plain {
namespace {

// What libtorch computes a function of in float32, to round once: bfloat16 as
// it is on a card, but not on a CPU, where libtorch 1.13 rounds each of its
// steps.
at::Tensor ForMath(const at::Tensor& x) {
  return x.device().is_cpu() ? x.to(at::kFloat) : x;
}

}  // namespace

void RmsNorm(const at::Tensor& x, const at::Tensor& weight, float epsilon,
             at::Tensor& out) {
  const at::Tensor values = x.to(at::kFloat);
  const at::Tensor scale =
      values.square().mean(/*dim=*/-1, /*keepdim=*/true).add_(epsilon).rsqrt_();
  const at::Tensor normed = values.mul(scale).to(x.scalar_type());
  at::mul_out(out, normed, weight);
}

void LayerNorm(const at::Tensor& x, const at::Tensor& weight,
               const at::Tensor& bias, float epsilon, at::Tensor& out) {
  out.copy_(at::layer_norm(ForMath(x), {x.size(1)}, ForMath(weight),
                           ForMath(bias), epsilon));
}

void Gelu(const at::Tensor& x, at::Tensor& out) {
  out.copy_(at::gelu(ForMath(x)));
}

void SiluMul(const at::Tensor& gate_up, at::Tensor& out) {
  const int64_t size = out.size(1);
  const at::Tensor silu = at::silu(ForMath(gate_up.narrow(1, 0, size)));
  at::mul_out(out, silu.to(out.scalar_type()), gate_up.narrow(1, size, size));
}

void AddResidual(const at::Tensor& x, at::Tensor& hidden) { hidden.add_(x); }

void AddScaledResidual(const at::Tensor& x, const at::Tensor& scale,
                       at::Tensor& hidden) {
  hidden.add_(x.mul(scale));
}

void RopeCosSin(const at::Tensor& positions, double theta, at::Tensor& cos,
                at::Tensor& sin) {
  // From the host, so that every device has the same frequencies.
  std::vector<float> frequencies = RopeFrequencies(theta, 2 * cos.size(1));
  const at::Tensor frequency =
      at::from_blob(frequencies.data(), {cos.size(1)},
                    at::TensorOptions().dtype(at::kFloat))
          .to(cos.device());
  const at::Tensor angles =
      positions.to(at::kFloat).unsqueeze(1).mul(frequency);
  cos.copy_(angles.cos());
  sin.copy_(angles.sin());
}

void ApplyRope(const at::Tensor& cos, const at::Tensor& sin, at::Tensor& x) {
  const int64_t half = cos.size(1);
  const at::Tensor low = x.narrow(2, 0, half), high = x.narrow(2, half, half);
  const at::Tensor c = cos.unsqueeze(1), s = sin.unsqueeze(1);
  const at::Tensor new_low = low.mul(c).sub_(high.mul(s));
  const at::Tensor new_high = high.mul(c).add_(low.mul(s));
  low.copy_(new_low);
  high.copy_(new_high);
}

void EmbeddingLookup(const at::Tensor& ids, const at::Tensor& table,
                     at::Tensor& out) {
  out.copy_(at::index_select(table, /*dim=*/0, ids));
}

void ExtractPatches(const at::Tensor& image, int64_t patch, at::Tensor& out) {
  const int64_t channels = image.size(0);
  const int64_t rows = image.size(1) / patch, columns = image.size(2) / patch;
  out.view({rows, columns, channels, patch, patch})
      .copy_(image.view({channels, rows, patch, columns, patch})
                 .permute({1, 3, 0, 2, 4}));
}

void PixelShuffle(const at::Tensor& x, int64_t side, at::Tensor& out) {
  const int64_t half = side / 2, size = x.size(1), row = x.stride(0);
  // Token (2 r + dy, 2 c + dx) as [r, c, dy, dx, size].
  out.view({half, half, 2, 2, size})
      .copy_(x.as_strided({half, half, 2, 2, size},
                          {2 * side * row, 2 * row, side * row, row, 1},
                          x.storage_offset()));
}

void Linear(const at::Tensor& x, const LinearWeight& weight, at::Tensor& out) {
  const at::Tensor by_input = weight.packed().t();
  if (weight.bias().defined()) {
    at::addmm_out(out, weight.bias(), x, by_input);
  } else {
    at::mm_out(out, x, by_input);
  }
}

}  // namespace tandem::plain
