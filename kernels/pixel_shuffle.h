#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tandem {

// Joins 2 x 2 neighbours of a square grid of tokens into one token each:
//   out[r * side/2 + c] = [x(2r, 2c), x(2r, 2c+1), x(2r+1, 2c), x(2r+1, 2c+1)],
//   x(y, z) = x[y * side + z]
//   x     [side * side, size], float32 or bfloat16; side is even
//   out   [side/2 * side/2, 4 * size], like x; must not overlap x
// Rows may be strided; the last dimension is dense. Queued on x's current
// stream. A breach of the shapes throws c10::Error. Source: pixel_shuffle of
// modeling_internvl_chat.py with ps_version "v2".
void PixelShuffle(const at::Tensor& x, int64_t side, at::Tensor& out);

}  // namespace tandem
