#include "kernels/pixel_shuffle.h"

#include <c10/util/Exception.h>

#include <cstring>

#include "kernels/checks.h"
#include "kernels/kernel_set.h"
#include "kernels/plain/plain.h"

namespace tandem {
namespace cpu {
namespace {

void PixelShuffle(const at::Tensor& x, int64_t side, at::Tensor& out) {
  const auto item = static_cast<int64_t>(x.element_size());
  const int64_t bytes = x.size(1) * item;
  const auto* from = static_cast<const char*>(x.data_ptr());
  auto* to = static_cast<char*>(out.data_ptr());
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t z = 0; z < side; ++z) {
      const int64_t row = (y / 2) * (side / 2) + z / 2;
      const int64_t quarter = 2 * (y % 2) + z % 2;
      std::memcpy(to + row * out.stride(0) * item + quarter * bytes,
                  from + (y * side + z) * x.stride(0) * item, bytes);
    }
  }
}

}  // namespace
}  // namespace cpu

void PixelShuffle(const at::Tensor& x, int64_t side, at::Tensor& out) {
  CheckTensor("PixelShuffle", "x", x, 2);
  CheckLike("PixelShuffle", "out", out, x);
  TORCH_CHECK(side > 0 && side % 2 == 0 && x.size(0) == side * side,
              "PixelShuffle: x has ", x.size(0), " tokens, side is ", side);
  TORCH_CHECK(out.size(0) * 4 == x.size(0) && out.size(1) == 4 * x.size(1),
              "PixelShuffle: out is ", out.sizes(), " for x of ", x.sizes());
  switch (KernelSetOf("PixelShuffle", x.device())) {
    case KernelSet::kCpu:
      return cpu::PixelShuffle(x, side, out);
    case KernelSet::kPlain:
      return plain::PixelShuffle(x, side, out);
  }
}

}  // namespace tandem
