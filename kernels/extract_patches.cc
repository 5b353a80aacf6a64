#include "kernels/extract_patches.h"

#include <c10/util/Exception.h>

#include <cstring>

#include "kernels/checks.h"
#include "kernels/kernel_set.h"
#include "kernels/plain/plain.h"

namespace tandem {
namespace cpu {
namespace {

void ExtractPatches(const at::Tensor& image, int64_t patch, at::Tensor& out) {
  const int64_t channels = image.size(0), height = image.size(1);
  const int64_t width = image.size(2), columns = width / patch;
  const int64_t run = patch * static_cast<int64_t>(image.element_size());
  const auto* from = static_cast<const char*>(image.data_ptr());
  auto* to = static_cast<char*>(out.data_ptr());
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t px = 0; px < columns; ++px, from += run) {
        const int64_t row = (y / patch) * columns + px;
        const int64_t line = c * patch + y % patch;
        std::memcpy(to + (row * channels * patch + line) * run, from, run);
      }
    }
  }
}

}  // namespace
}  // namespace cpu

void ExtractPatches(const at::Tensor& image, int64_t patch, at::Tensor& out) {
  CheckTensor("ExtractPatches", "image", image, 3);
  CheckTensor("ExtractPatches", "out", out, 2);
  TORCH_CHECK(image.is_contiguous() && out.is_contiguous() &&
                  image.scalar_type() == out.scalar_type() &&
                  image.device() == out.device(),
              "ExtractPatches: image and out are not dense and alike");
  TORCH_CHECK(
      patch > 0 && image.size(1) % patch == 0 && image.size(2) % patch == 0,
      "ExtractPatches: patch ", patch, " does not divide ", image.sizes());
  TORCH_CHECK(out.size(1) == image.size(0) * patch * patch &&
                  out.numel() == image.numel(),
              "ExtractPatches: out is ", out.sizes(), " for image of ",
              image.sizes());
  switch (KernelSetOf("ExtractPatches", image.device())) {
    case KernelSet::kCpu:
      return cpu::ExtractPatches(image, patch, out);
    case KernelSet::kPlain:
      return plain::ExtractPatches(image, patch, out);
  }
}

}  // namespace tandem
