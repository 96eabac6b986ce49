// The 16-bit types that maps may be stored in; all arithmetic is float.
#ifndef HYPERSEG_TF_STORAGE_H_
#define HYPERSEG_TF_STORAGE_H_

#include <cstdint>
#include <cstring>

namespace dpw {

struct Bfloat16 {
  uint16_t bits;
};

struct Half {
  uint16_t bits;
};

static inline float as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t as_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float to_float(float value) { return value; }

static inline float to_float(Bfloat16 value) {
  return as_float(static_cast<uint32_t>(value.bits) << 16);
}

static inline float to_float(Half value) {
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000) << 16;
  const uint32_t exponent = (value.bits >> 10) & 31, mantissa = value.bits & 1023;
  if (exponent == 31) return as_float(sign | 0x7f800000 | (mantissa << 13));
  if (exponent) return as_float(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float tiny = static_cast<float>(mantissa) * as_float(0x33800000);  // 2**-24
  return sign ? -tiny : tiny;
}

template <typename T>
T from_float(float value);

template <>
inline float from_float<float>(float value) {
  return value;
}

// To nearest, ties to even; a NaN stays one.
template <>
inline Bfloat16 from_float<Bfloat16>(float value) {
  const uint32_t bits = as_bits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    return {static_cast<uint16_t>((bits >> 16) | 64)};
  }
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

template <>
inline Half from_float<Half>(float value) {
  const uint32_t bits = as_bits(value), sign = (bits >> 16) & 0x8000;
  const uint32_t size = bits & 0x7fffffff;
  if (size > 0x7f800000) return {static_cast<uint16_t>(sign | 0x7e00)};
  if (size >= 0x477ff000) return {static_cast<uint16_t>(sign | 0x7c00)};
  if (size < 0x38800000) {  // smaller than the smallest normal one
    const float scaled = as_float(size) * as_float(0x4b800000);  // 2**24
    // Adding 2**23 rounds to a whole number, ties to even.
    const uint32_t whole = as_bits(scaled + 8388608.0f) - 0x4b000000;
    return {static_cast<uint16_t>(sign | whole)};
  }
  const uint32_t rounded = size + 0xfff + ((size >> 13) & 1);
  return {static_cast<uint16_t>(sign | ((rounded - 0x38000000) >> 13))};
}

}  // namespace dpw

#endif  // HYPERSEG_TF_STORAGE_H_
