// Compiles the including file once more per instruction-set level. That file reads
//
//   headers
//   #ifndef TTS_LEVEL
//     declarations shared by all levels
//   #define TTS_THIS_FILE "kernels/cpu/name.cpp"
//   #include "kernels/cpu/each_level.h"
//     the functions of the device, which pick kernels by TTS_BY_LEVEL
//   #else
//   namespace tts::TTS_LEVEL {          level_portable, level_avx2, level_avx512, level_vnni
//   #include "kernels/cpu/simd.h"       vectors of TTS_LANES floats
//     kernels
//   }
//   #endif
//
// Headers are read before the instruction set is switched, so no inline function of a library is compiled for
// a level and then shared with code that runs on an older processor. Kernels contain no lambdas: clang would
// compile those for the base instruction set.
#define TTS_LEVEL level_portable
#define TTS_LANES 4
#include TTS_THIS_FILE
#undef TTS_LEVEL
#undef TTS_LANES

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define TTS_LEVEL level_avx2
#define TTS_LANES 8
#include TTS_THIS_FILE
#undef TTS_LEVEL
#undef TTS_LANES
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))), \
                             apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
#endif
#define TTS_LEVEL level_avx512
#define TTS_LANES 16
#include TTS_THIS_FILE
#undef TTS_LEVEL
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#endif
#define TTS_LEVEL level_vnni
#define TTS_VNNI
#include TTS_THIS_FILE
#undef TTS_LEVEL
#undef TTS_LANES
#undef TTS_VNNI
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
