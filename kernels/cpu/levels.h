// Instruction-set levels of the CPU kernels. Each source of kernels is compiled once per level
// (each_level.h); which one runs is decided when the device is made.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tts {

enum class Level : uint8_t { portable, avx2, avx512, vnni };  // vnni: avx512 with integer dot products

std::string_view str(Level level);
std::vector<Level> levels_of_this_cpu();    // ascending
// "": the best; Exit::device when this CPU lacks it, Exit::usage: no such
Level choose_level(std::string_view name);

}  // namespace tts

// TTS_BY_LEVEL(kConv, level): the constant kConv of the namespace of that level.
#if defined(__x86_64__)
#define TTS_BY_LEVEL(name, level)                  \
  ((level) == Level::vnni     ? level_vnni::name   \
   : (level) == Level::avx512 ? level_avx512::name \
   : (level) == Level::avx2   ? level_avx2::name   \
                              : level_portable::name)
#else
#define TTS_BY_LEVEL(name, level) (level_portable::name)
#endif
