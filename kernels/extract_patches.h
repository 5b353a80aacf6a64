#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tandem {

// Cuts an image into square patches, one to a row, so that the patch embedding,
// a convolution with stride = kernel, becomes a Linear:
//   out[py * (width / patch) + px, (c * patch + dy) * patch + dx]
//       = image[c, py * patch + dy, px * patch + dx]
//   image  [channels, height, width], float32 or bfloat16, contiguous; height
//   and
//          width are multiples of `patch`
//   out    [height/patch * width/patch, channels * patch * patch], like image,
//          contiguous
// Queued on image's current stream. A breach of the shapes throws c10::Error.
void ExtractPatches(const at::Tensor& image, int64_t patch, at::Tensor& out);

}  // namespace tandem
