// The random numbers of the engine: Philox4x32-10, keyed by (seed, frame, code group, code), so a draw
// depends on nothing else: not on chunks, threads, batch or device. Host and device compile this very text;
// every multiply-add is written as one, so the bits agree everywhere.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define TTS_EVERYWHERE __host__ __device__ inline
#else
#define TTS_EVERYWHERE inline
#endif

namespace tts {

struct Philox {
  uint32_t word[4];
};

// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", ten rounds.
TTS_EVERYWHERE Philox philox4x32(Philox counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter.word[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter.word[2];
    const Philox next{{static_cast<uint32_t>(p1 >> 32) ^ counter.word[1] ^ key0, static_cast<uint32_t>(p1),
                       static_cast<uint32_t>(p0 >> 32) ^ counter.word[3] ^ key1, static_cast<uint32_t>(p0)}};
    counter = next;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// log2 of a positive normal float: exponent + polynomial of the mantissa m in [sqrt(1/2), sqrt(2)), via
// s = (m-1)/(m+1), log2(m) = 2/ln(2) * (s + s^3/3 + s^5/5 + s^7/7 + s^9/9); |s| < 0.1716, truncation < 2^-29
// relative.
TTS_EVERYWHERE float natural_log(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  int exponent = static_cast<int>(bits >> 23) - 127;
  bits = (bits & 0x007fffffu) | 0x3f800000u;
  float m;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.41421354f) {
    m *= 0.5f;
    exponent += 1;
  }
  const float s = (m - 1.0f) / (m + 1.0f);
  const float z = s * s;
  float p = 0.111111112f;
  p = fmaf(p, z, 0.142857149f);
  p = fmaf(p, z, 0.200000003f);
  p = fmaf(p, z, 0.333333343f);
  p = fmaf(p, z, 1.0f);
  return fmaf(static_cast<float>(exponent), 0.693147182f, (2.0f * s) * p);
}

// Standard Gumbel noise of one candidate code: -log(-log(u)), u uniform in (0,1) with 24 bits, never 0 or 1.
TTS_EVERYWHERE float gumbel_noise(uint64_t seed, int frame, int group, int code) {
  const Philox random = philox4x32({{static_cast<uint32_t>(code), static_cast<uint32_t>(group),
                                     static_cast<uint32_t>(frame), 0u}},
                                   static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
  const float u = (static_cast<float>(random.word[0] >> 9) + 0.5f) * 0x1p-23f;
  return -natural_log(-natural_log(u));
}

}  // namespace tts
