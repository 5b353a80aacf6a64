// Vectors of floats at the width of the instruction set that the including file
// is compiled for. Include it only from the level_*.cc files, behind a
// definition of TANDEM_LEVEL: everything lands in a namespace of that level, so
// that no function compiled for AVX-512 can be linked into another's place. For
// the same reason no header with inline functions of its own is included here,
// intrinsics apart.

#include <cstdint>

#include "kernels/cpu/cpu_kernels.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define TANDEM_INLINE inline __attribute__((always_inline))
#define TANDEM_LAMBDA __attribute__((always_inline))

namespace tandem::cpu::TANDEM_LEVEL {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX2__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif

using Float = float __attribute__((vector_size(kLanes * 4)));
using Int = int32_t __attribute__((vector_size(kLanes * 4)));
using Uint = uint32_t __attribute__((vector_size(kLanes * 4)));
using Half = uint16_t __attribute__((vector_size(kLanes * 2)));

// x - 0 is x for every x, so compilers drop the subtraction; x + 0 is not.
TANDEM_INLINE Float Splat(float x) { return x - Float{}; }
TANDEM_INLINE Float FromBits(Uint x) { return (Float)x; }
TANDEM_INLINE Uint Bits(Float x) { return (Uint)x; }

// a * b + c: rounded once where the processor can, else twice, but always the
// same way within a level.
TANDEM_INLINE Float Fma(Float a, Float b, Float c) {
#if defined(__AVX512F__)
  return (Float)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Float)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}

// NaN in x gives NaN.
TANDEM_INLINE Float Min(Float x, Float bound) { return x > bound ? bound : x; }
TANDEM_INLINE Float Max(Float x, Float bound) { return x < bound ? bound : x; }

TANDEM_INLINE Float Load(const float* p) {
  Float x;
  __builtin_memcpy(&x, p, sizeof(x));
  return x;
}

TANDEM_INLINE void Store(float* p, Float x) {
  __builtin_memcpy(p, &x, sizeof(x));
}

TANDEM_INLINE Float Load(const Bf16* p) {
  Half x;
  __builtin_memcpy(&x, p, sizeof(x));
  return FromBits(__builtin_convertvector(x, Uint) << 16);
}

// Bits of x rounded to the nearest bfloat16, ties to even; the low half is
// garbage. NaN stays NaN.
TANDEM_INLINE Uint RoundedBits(Float x) {
  const Uint bits = Bits(x);
  const Uint rounded = bits + 0x7fff + ((bits >> 16) & 1);
  return x == x ? rounded : bits | 0x400000;
}

TANDEM_INLINE void Store(Bf16* p, Float x) {
  const Half half = __builtin_convertvector(RoundedBits(x) >> 16, Half);
  __builtin_memcpy(p, &half, sizeof(half));
}

// x as a value of T.
template <typename T>
TANDEM_INLINE Float Round(Float x) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return x;
  } else {
    return FromBits(RoundedBits(x) & 0xffff0000u);
  }
}

// The first n < kLanes values; the others are 0.
template <typename T>
TANDEM_INLINE Float LoadPart(const T* p, int64_t n) {
  T values[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) values[i] = p[i];
  return Load(values);
}

template <typename T>
TANDEM_INLINE void StorePart(T* p, Float x, int64_t n) {
  T values[kLanes];
  Store(values, x);
  for (int64_t i = 0; i < n; ++i) p[i] = values[i];
}

// Lane numbers as template arguments: indices of a shuffle are constants.
template <int... kLane>
struct Lanes {};
template <int kCount, int... kLane>
struct MakeLanes : MakeLanes<kCount - 1, kCount - 1, kLane...> {};
template <int... kLane>
struct MakeLanes<0, kLane...> {
  using Type = Lanes<kLane...>;
};
using AllLanes = MakeLanes<kLanes>::Type;

template <int kWidth, int... kLane>
TANDEM_INLINE Float SwappedLanes(Float x, Lanes<kLane...>) {
  return __builtin_shufflevector(x, x, (kLane ^ kWidth)...);
}

// The lanes kWidth away, for a power of two.
template <int kWidth>
TANDEM_INLINE Float Swapped(Float x) {
  return SwappedLanes<kWidth>(x, AllLanes());
}

// Sum and maximum of the lanes, halves first.
template <int kWidth = kLanes / 2>
TANDEM_INLINE float Sum(Float x) {
  if constexpr (kWidth == 0) {
    return x[0];
  } else {
    return Sum<kWidth / 2>(x + Swapped<kWidth>(x));
  }
}

template <int kWidth = kLanes / 2>
TANDEM_INLINE float MaxLane(Float x) {
  if constexpr (kWidth == 0) {
    return x[0];
  } else {
    return MaxLane<kWidth / 2>(Max(x, Swapped<kWidth>(x)));
  }
}

// exp(x), within 1e-7 of it; 0 below -87.3, exp(88) above 88. NaN stays NaN.
// x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) = 1 + r + r^2 p(r), where p of
// degree 4 was fitted by least squares at Chebyshev nodes.
TANDEM_INLINE Float Exp(Float x) {
  const Float clamped = Max(Min(x, Splat(88.0f)), Splat(-87.3f));
  const Float magic = Splat(12582912.0f);  // 1.5 * 2^23: adding it rounds
  const Float shifted = Fma(clamped, Splat(1.44269504f), magic);
  const Float n = shifted - magic;
  // ln 2 in two parts; products of the first with n are exact.
  const Float r =
      Fma(n, Splat(2.12194440e-4f), Fma(n, Splat(-0.693359375f), clamped));
  Float p = Splat(0.0013946561f);
  p = Fma(p, r, Splat(0.008369223f));
  p = Fma(p, r, Splat(0.04166626f));
  p = Fma(p, r, Splat(0.16666515f));
  p = Fma(p, r, Splat(0.5f));
  const Float exp_r = Fma(p, r * r, r) + 1.0f;
  const Uint exponent = (Bits(shifted) - Bits(magic) + 127) << 23;
  return x < -87.3f ? Float{} : exp_r * FromBits(exponent);
}

// erf(x), within 3e-7: x P(x^2) / Q(x^2) on [-4, 4], fitted by reweighted least
// squares for the relative error, and cut at 1.
TANDEM_INLINE Float Erf(Float x) {
  const Float z = Max(Min(x, Splat(4.0f)), Splat(-4.0f));
  const Float u = z * z;
  Float p = Splat(1.9868003e-6f);
  p = Fma(p, u, Splat(2.8456221e-4f));
  p = Fma(p, u, Splat(3.8832042e-3f));
  p = Fma(p, u, Splat(5.3101316e-2f));
  p = Fma(p, u, Splat(1.9354187e-1f));
  p = Fma(p, u, Splat(1.1283791f));
  Float q = Splat(3.7420166e-5f);
  q = Fma(q, u, Splat(1.1855362e-3f));
  q = Fma(q, u, Splat(1.5206973e-2f));
  q = Fma(q, u, Splat(1.1534867e-1f));
  q = Fma(q, u, Splat(5.0485456e-1f));
  q = Fma(q, u, Splat(1.0f));
  return Max(Min(z * p / q, Splat(1.0f)), Splat(-1.0f));
}

}  // namespace tandem::cpu::TANDEM_LEVEL
