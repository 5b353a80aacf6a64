#pragma once

#include <cstddef>

#include "common/dtype.h"

namespace tandem {

// Writes `count` values of type `from` at `in` to `out` as type `to`, kFloat32
// or kBFloat16. Rounds to nearest, ties to even; NaN stays NaN, a value beyond
// the range becomes infinite. No alignment is asked for; the two must not
// overlap.
void ConvertValues(const void* in, DType from, size_t count, DType to,
                   void* out);

}  // namespace tandem
