// The CUDA language subset of our kernels for a host compiler: qualifiers, indices, barriers, warp functions,
// atomics, vector and 16-bit types. Warp functions take the full mask only; shared memory is reached through
// Shared<T> (cuda/launch.h), which checks every access. Whatever a kernel needs beyond this is added here
// together with its case in tests/emulator_test.cpp.
#pragma once

#include "kernels/emulator/execution.h"
#include "kernels/emulator/runtime.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

// ---- qualifiers and indices ---------------------------------------------------------------------

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (::tts::emulator::current_thread->index)
#define blockIdx (::tts::emulator::current_thread->block->index)
#define blockDim (::tts::emulator::current_shape->block)
#define gridDim (::tts::emulator::current_shape->grid)

#define TTS_EMULATOR_SITE(what) (::tts::emulator::Site{what, __FILE__, __LINE__})
#define __syncthreads() ::tts::emulator::sync_threads(__FILE__, __LINE__)
#define __syncwarp() ((void)::tts::emulator::gather_warp(0, ~0u, TTS_EMULATOR_SITE("__syncwarp")))
#define __shfl_sync(mask, v, lane) ::tts::emulator::shuffle(mask, v, lane, TTS_EMULATOR_SITE("__shfl_sync"))
#define __shfl_xor_sync(mask, v, x)                                              \
  ::tts::emulator::shuffle(mask, v, ::tts::emulator::current_thread->lane ^ (x), \
                           TTS_EMULATOR_SITE("__shfl_xor_sync"))
#define __shfl_down_sync(mask, v, n)                                                                 \
  ::tts::emulator::shuffle(mask, v,                                                                  \
                           ::tts::emulator::clamp_lane(::tts::emulator::current_thread->lane + (n)), \
                           TTS_EMULATOR_SITE("__shfl_down_sync"))
#define __shfl_up_sync(mask, v, n)                                                                   \
  ::tts::emulator::shuffle(mask, v,                                                                  \
                           ::tts::emulator::clamp_lane(::tts::emulator::current_thread->lane - (n)), \
                           TTS_EMULATOR_SITE("__shfl_up_sync"))
#define __ballot_sync(mask, p) ::tts::emulator::ballot(mask, p, TTS_EMULATOR_SITE("__ballot_sync"))
#define __any_sync(mask, p) (::tts::emulator::ballot(mask, p, TTS_EMULATOR_SITE("__any_sync")) != 0u)
#define __all_sync(mask, p) (::tts::emulator::ballot(mask, p, TTS_EMULATOR_SITE("__all_sync")) == ~0u)
#define __reduce_add_sync(mask, v) \
  ::tts::emulator::reduce_add(mask, v, TTS_EMULATOR_SITE("__reduce_add_sync"))
#define __reduce_max_sync(mask, v) \
  ::tts::emulator::reduce_max(mask, v, TTS_EMULATOR_SITE("__reduce_max_sync"))

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

// ---- vector types -------------------------------------------------------------------------------

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// ---- 16-bit types -------------------------------------------------------------------------------

struct __nv_bfloat16 {
  uint16_t bits;
};
struct __half {
  uint16_t bits;
};
float __bfloat162float(__nv_bfloat16 x);
__nv_bfloat16 __float2bfloat16(float x);  // to nearest, ties to even
float __half2float(__half x);
__half __float2half(float x);             // to nearest, ties to even

// ---- arithmetic ---------------------------------------------------------------------------------

inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __ffs(int x) { return x == 0 ? 0 : 1 + std::countr_zero(static_cast<unsigned>(x)); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
#if defined(__x86_64__)
// The instruction where the processor has it: the compiler may not assume it, and a call per product is most
// of a kernel.
namespace tts {
inline const bool kHasFma = __builtin_cpu_supports("fma");
inline float fmaf(float a, float b, float c) {
  if (!kHasFma) [[unlikely]] return ::fmaf(a, b, c);
  asm("vfmadd213ss %2, %1, %0" : "+x"(a) : "x"(b), "x"(c));
  return a;
}
}  // namespace tts
#endif
template <class T>
T __ldg(const T* p) {
  return *p;
}
using std::max;
using std::min;

// ---- atomics: fibers of one host thread, so plain operations are indivisible --------------------

template <class T>
T atomicAdd(T* at, std::type_identity_t<T> v) {
  const T old = *at;
  *at = old + v;
  return old;
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> v) {
  const T old = *at;
  *at = std::max(old, v);
  return old;
}
template <class T>
T atomicMin(T* at, std::type_identity_t<T> v) {
  const T old = *at;
  *at = std::min(old, v);
  return old;
}
template <class T>
T atomicOr(T* at, std::type_identity_t<T> v) {
  const T old = *at;
  *at = old | v;
  return old;
}
template <class T>
T atomicExch(T* at, std::type_identity_t<T> v) {
  const T old = *at;
  *at = v;
  return old;
}
template <class T>
T atomicCAS(T* at, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
  const T old = *at;
  if (old == expected) *at = v;
  return old;
}

namespace tts::emulator {

// ---- warp functions -----------------------------------------------------------------------------

inline int clamp_lane(int lane) { return lane < 0 || lane > 31 ? current_thread->lane : lane; }

template <class T>
T shuffle(unsigned mask, T value, int lane, Site site) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  bits = gather_warp(bits, mask, site)[lane & 31];
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline unsigned ballot(unsigned mask, bool predicate, Site site) {
  return static_cast<unsigned>(reduce_warp(predicate, mask, site, [](Warp& warp, int parity) {
    uint64_t votes = 0;
    for (int lane = 0; lane < 32; ++lane) votes |= warp.slot[parity][lane] << lane;
    warp.result[parity] = votes;
  }));
}

inline unsigned reduce_add(unsigned mask, unsigned value, Site site) {
  return static_cast<unsigned>(reduce_warp(value, mask, site, [](Warp& warp, int parity) {
    uint64_t sum = 0;
    for (const uint64_t v : warp.slot[parity]) sum += v;
    warp.result[parity] = sum;
  }));
}

inline unsigned reduce_max(unsigned mask, unsigned value, Site site) {
  return static_cast<unsigned>(reduce_warp(value, mask, site, [](Warp& warp, int parity) {
    warp.result[parity] = *std::max_element(std::begin(warp.slot[parity]), std::end(warp.slot[parity]));
  }));
}

// ---- shared memory ------------------------------------------------------------------------------

// One element of shared memory: reading and writing it is checked.
template <class T>
class SharedElement {
 public:
  explicit SharedElement(std::byte* at) : at_(at) {}
  operator T() const {
    T value;
    memcpy(&value, touch_shared(at_, sizeof(T), false), sizeof value);
    return value;
  }
  void operator=(const T& value) const { memcpy(touch_shared(at_, sizeof(T), true), &value, sizeof value); }
  void operator=(const SharedElement& other) const { *this = static_cast<T>(other); }
  void operator+=(const T& value) const { *this = static_cast<T>(*this) + value; }
  SharedElement(const SharedElement&) = default;

 private:
  std::byte* at_;
};

template <class T>
struct SharedPointer {
  static_assert(sizeof(T) % 4 == 0, "the checks of shared memory know words of 4 bytes");
  std::byte* at = nullptr;

  template <class I>
  SharedElement<T> operator[](I i) const {
    return SharedElement<T>(at + static_cast<ptrdiff_t>(i) * static_cast<ptrdiff_t>(sizeof(T)));
  }
  template <class I>
  SharedPointer operator+(I i) const {
    return {at + static_cast<ptrdiff_t>(i) * static_cast<ptrdiff_t>(sizeof(T))};
  }
};

}  // namespace tts::emulator

template <class T>
T atomicAdd(tts::emulator::SharedPointer<T> p, std::type_identity_t<T> v) {
  // Atomics do not race with each other: only the bounds and the first write are checked.
  T old;
  const bool checked = std::exchange(tts::emulator::current_shared.checked, false);
  std::byte* at = tts::emulator::touch_shared(p.at, sizeof(T), true);
  tts::emulator::current_shared.checked = checked;
  memcpy(&old, at, sizeof old);
  const T sum = old + v;
  memcpy(at, &sum, sizeof sum);
  return old;
}
