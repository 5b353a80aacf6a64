#include "common/convert_values.h"

#include <bit>
#include <cstdint>
#include <cstring>

namespace tandem {
namespace {

float FromBFloat16(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

uint16_t ToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  // The quiet bit keeps a NaN whose payload is cut off from becoming infinite.
  const uint32_t nan = (bits >> 16) | 0x40;
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? nan
                                                                : rounded);
}

// IEEE 754 binary16: 1 sign bit, 5 exponent bits, 10 of mantissa.
float FromFloat16(uint16_t value) {
  const uint32_t sign = static_cast<uint32_t>(value & 0x8000) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(value & 0x7fff) << 13;
  // Exponent and mantissa stand where float32 has them; multiplying moves the
  // bias from 15 to 127 and makes subnormal numbers normal.
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  const uint32_t finite = std::bit_cast<uint32_t>(scaled);
  const bool special = magnitude >= 0x0f800000;  // infinite or NaN
  return std::bit_cast<float>(sign | (special ? finite | 0x7f800000 : finite));
}

template <typename In, typename Out, Out (*kConvert)(In)>
void ConvertEach(const char* in, size_t count, char* out) {
  for (size_t i = 0; i < count; ++i) {
    In value;
    std::memcpy(&value, in + i * sizeof(In), sizeof(In));
    const Out converted = kConvert(value);
    std::memcpy(out + i * sizeof(Out), &converted, sizeof(Out));
  }
}

uint16_t Float16ToBFloat16(uint16_t value) {
  return ToBFloat16(FromFloat16(value));
}

}  // namespace

void ConvertValues(const void* in, DType from, size_t count, DType to,
                   void* out) {
  const char* source = static_cast<const char*>(in);
  char* target = static_cast<char*>(out);
  if (from == to) {
    std::memcpy(target, source, count * ElementSize(from));
  } else if (to == DType::kFloat32) {
    from == DType::kBFloat16
        ? ConvertEach<uint16_t, float, FromBFloat16>(source, count, target)
        : ConvertEach<uint16_t, float, FromFloat16>(source, count, target);
  } else {
    from == DType::kFloat32
        ? ConvertEach<float, uint16_t, ToBFloat16>(source, count, target)
        : ConvertEach<uint16_t, uint16_t, Float16ToBFloat16>(source, count,
                                                             target);
  }
}

}  // namespace tandem
