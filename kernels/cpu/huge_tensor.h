#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tandem::cpu {

// An uninitialised CPU tensor of `num_values`, aligned to 64 bytes; from 4 MiB
// on to 2 MiB, and the kernel is asked for huge pages: weights are read once a
// step, and small pages would cost a TLB miss for every 4 KiB. Throws
// std::bad_alloc.
at::Tensor EmptyHuge(int64_t num_values, at::ScalarType dtype);

}  // namespace tandem::cpu
