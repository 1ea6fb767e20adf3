// Conversions of the 16-bit types as the hardware does them: to nearest, ties to even.
#include "kernels/emulator/cuda_emulator.h"

#include "base/types.h"

float __bfloat162float(__nv_bfloat16 x) { return tts::widen(tts::bf16{x.bits}); }
__nv_bfloat16 __float2bfloat16(float x) { return {tts::round_to_bf16(x).bits}; }

float __half2float(__half x) {
  const unsigned sign = (x.bits & 0x8000u) << 16, exponent = x.bits >> 10 & 0x1fu, mantissa = x.bits & 0x3ffu;
  if (exponent == 0x1f) return __uint_as_float(sign | 0x7f800000u | mantissa << 13);
  if (exponent == 0) return __uint_as_float(sign | __float_as_uint(static_cast<float>(mantissa) * 0x1p-24f));
  return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
}

__half __float2half(float x) {
  const unsigned bits = __float_as_uint(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};
  if (magnitude < 0x38800000u) {  // subnormal: the sum rounds at the last place of 2^-24
    return {static_cast<uint16_t>(sign | __float_as_uint(__uint_as_float(magnitude) + 0.5f) % 0x3f000000u)};
  }
  const unsigned rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return {static_cast<uint16_t>(sign | (rounded - 0x38000000u) >> 13)};
}
