#pragma once

#include <array>
#include <cstdint>

namespace tandem {

// Philox4x32-10: four random words that are a pure function of counter and key,
// so a draw needs no state and can be repeated anywhere.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1,
// 2, 3", SC 2011.
std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter,
                                   std::array<uint32_t, 2> key);

// A uniform number in [0, 1), a multiple of 2^-53, for (seed, position).
double PhiloxUniform(uint64_t seed, uint64_t position);

}  // namespace tandem
