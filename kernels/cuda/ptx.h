// Every instruction that has no name in CUDA C++, and its host twin under the same name: loads with cache
// hints, asynchronous copies into shared memory, tensor core products, waits across blocks, and warp
// reductions. No inline PTX anywhere else. The emulator lands asynchronous copies only when they are waited
// for, so a forgotten wait shows.
#pragma once

#include "kernels/cuda/launch.h"

namespace tts {

#if defined(TTS_EMULATOR)

namespace detail {
template <class V>
V load_aligned(const void* at) {
  if (reinterpret_cast<uintptr_t>(at) % sizeof(V) != 0)
    emulator::fault("misaligned vector access to device memory");
  V value;
  memcpy(&value, at, sizeof value);
  return value;
}
}  // namespace detail

// 16 bytes of a matrix: read once per frame, so they must not push anything out of the caches near the
// multiprocessor.
inline uint4 load_weights(const void* at) { return detail::load_aligned<uint4>(at); }
inline float4 load4(const float* at) { return detail::load_aligned<float4>(at); }
inline void store4(float* at, float4 v) {
  if (reinterpret_cast<uintptr_t>(at) % 16 != 0) emulator::fault("misaligned vector access to device memory");
  memcpy(at, &v, sizeof v);
}
inline float4 load4(Shared<float> at) { return shared_cast<float4>(at)[0]; }
inline void store4(Shared<float> at, float4 v) { shared_cast<float4>(at)[0] = v; }
// 16 bytes that a kernel before wrote
inline uint4 load_cache(const void* at) { return detail::load_aligned<uint4>(at); }
inline void prefetch_to_l2(const void*) {}

// 16 bytes
template <class T>
void copy_async(Shared<T> to, const void* from) {
  emulator::start_copy(to.at, from);
}
inline void commit_async() { emulator::commit_copies(); }
template <int InFlight>
void wait_async() {
  emulator::wait_copies(InFlight);
}

// Programmatic dependent launch: the next kernel of the stream may be brought onto the GPU now; and: from
// here on everything that the kernels before this one wrote is there, and they read nothing any more.
inline void release_successor() {}
inline void await_inputs() { emulator::current_thread->awaits = false; }

inline unsigned load_acquire(const unsigned* at) { return *at; }
inline unsigned add_release(unsigned* at, unsigned n) { return atomicAdd(at, n); }
inline void store_release(unsigned* at, unsigned v) { *at = v; }
inline void wait_a_moment() { emulator::spin(); }
inline int64_t nanoseconds() { return emulator::steps() * 1000; }
template <class T>
void store_to_host(T* at, T v) {
  *at = v;
}

// The sums over the 32 lanes of each v[i], the same bits in every lane: pairs 16 apart, then 8, 4, 2, 1.
template <int N>
void warp_sum(float (&v)[N]) {
  emulator::gather_warp(reinterpret_cast<uint64_t>(&v), ~0u, TTS_EMULATOR_SITE("warp_sum"),
                        [](emulator::Warp& warp, int parity) {
                          for (int i = 0; i < N; ++i) {
                            float lane[32];
                            for (int l = 0; l < 32; ++l)
                              lane[l] = reinterpret_cast<float*>(warp.slot[parity][l])[i];
                            for (int step = 16; step > 0; step /= 2) {
                              for (int l = 0; l < step; ++l) lane[l] += lane[l + step];
                            }
                            for (int l = 0; l < 32; ++l)
                              reinterpret_cast<float*>(warp.slot[parity][l])[i] = lane[0];
                          }
                        });
}
inline float warp_max(float v) {
  emulator::gather_warp(reinterpret_cast<uint64_t>(&v), ~0u, TTS_EMULATOR_SITE("warp_max"),
                        [](emulator::Warp& warp, int parity) {
                          float most = *reinterpret_cast<float*>(warp.slot[parity][0]);
                          for (const uint64_t at : warp.slot[parity])
                            most = fmaxf(most, *reinterpret_cast<float*>(at));
                          for (const uint64_t at : warp.slot[parity]) *reinterpret_cast<float*>(at) = most;
                        });
  return v;
}

// Tensor core product of a warp, D[16][8] += A[16][8] . B[8][8] in tf32: lane l holds, with g = l / 4 and
// t = l % 4,
//   a: A[g][t], A[g+8][t], A[g][t+4], A[g+8][t+4]     b: B[t][g], B[t+4][g]
//   d: D[g][2t], D[g][2t+1], D[g+8][2t], D[g+8][2t+1]
inline float to_tf32(float x) {  // to nearest, ties away from zero, 10 bits of mantissa
  return __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u);
}
inline void mma_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  struct Operands {
    float* d;
    const float *a, *b;
  } operands{d, a, b};
  emulator::gather_warp(reinterpret_cast<uint64_t>(&operands), ~0u, TTS_EMULATOR_SITE("mma_tf32"),
                        [](emulator::Warp& warp, int parity) {
                          const auto lane = [&](int l) {
                            return reinterpret_cast<const Operands*>(warp.slot[parity][l]);
                          };
                          for (int row = 0; row < 16; ++row) {
                            for (int column = 0; column < 8; ++column) {
                              float& sum = lane(row % 8 * 4 + column / 2)->d[row / 8 * 2 + column % 2];
                              for (int k = 0; k < 8; ++k) {
                                sum += to_tf32(lane(row % 8 * 4 + k % 4)->a[row / 8 + k / 4 * 2]) *
                                       to_tf32(lane(column * 4 + k % 4)->b[k / 4]);
                              }
                            }
                          }
                        });
}

#elif defined(__CUDACC__)

__device__ __forceinline__ uint4 load_weights(const void* at) {
  uint4 v;
  asm("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(at));
  return v;
}
__device__ __forceinline__ float4 load4(const float* at) { return *reinterpret_cast<const float4*>(at); }
__device__ __forceinline__ void store4(float* at, float4 v) { *reinterpret_cast<float4*>(at) = v; }
__device__ __forceinline__ uint4 load_cache(const void* at) { return *static_cast<const uint4*>(at); }
__device__ __forceinline__ void prefetch_to_l2(const void* at) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(at));
}

template <class T>
__device__ __forceinline__ void copy_async(T* to, const void* from) {
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(to))),
      "l"(from)
      : "memory");
}
__device__ __forceinline__ void commit_async() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int InFlight>
__device__ __forceinline__ void wait_async() {
  asm volatile("cp.async.wait_group %0;" ::"n"(InFlight) : "memory");
}

__device__ __forceinline__ void release_successor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}
__device__ __forceinline__ void await_inputs() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ __forceinline__ unsigned load_acquire(const unsigned* at) {
  unsigned v;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(at) : "memory");
  return v;
}
__device__ __forceinline__ unsigned add_release(unsigned* at, unsigned n) {
  unsigned old;
  asm volatile("atom.add.acq_rel.gpu.global.u32 %0, [%1], %2;" : "=r"(old) : "l"(at), "r"(n) : "memory");
  return old;
}
__device__ __forceinline__ void store_release(unsigned* at, unsigned v) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(at), "r"(v) : "memory");
}
__device__ __forceinline__ void wait_a_moment() { __nanosleep(20); }
__device__ __forceinline__ int64_t nanoseconds() {
  unsigned long long t;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(t));
  return static_cast<int64_t>(t);
}
template <class T>
__device__ __forceinline__ void store_to_host(T* at, T v) {
  *static_cast<volatile T*>(at) = v;
}

template <int N>
__device__ __forceinline__ void warp_sum(float (&v)[N]) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] += __shfl_xor_sync(~0u, v[i], step);
  }
}
__device__ __forceinline__ float warp_max(float v) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) v = fmaxf(v, __shfl_xor_sync(~0u, v, step));
  return v;
}

__device__ __forceinline__ float to_tf32(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
}
__device__ __forceinline__ void mma_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(to_tf32(a[0]))), "r"(__float_as_uint(to_tf32(a[1]))),
        "r"(__float_as_uint(to_tf32(a[2]))), "r"(__float_as_uint(to_tf32(a[3]))),
        "r"(__float_as_uint(to_tf32(b[0]))), "r"(__float_as_uint(to_tf32(b[1]))));
}

#endif

}  // namespace tts
