// Fuzz targets: one file tests/fuzz_NAME.cpp per parser, with a folder tests/data/corpus/NAME of small
// inputs.
//
//   #include "fuzz.h"
//   TTS_FUZZ(json) {                              // std::string_view bytes
//     tts::fuzz::accepts([&] { ... parse(bytes) ... });
//   }
//
// The ordinary build links all targets into fuzz_replay; ctest runs every file of every corpus through it,
// each also in a few hundred seeded mutations. tools/fuzz.sh builds one libFuzzer program per target and runs
// them for as long as asked.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace tts::fuzz {

using Target = void (*)(std::string_view bytes);

struct Registered {
  Registered(const char* name, Target target);
};

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

// Runs a parser. It may refuse with Exit::bad_input, and with nothing else; true when it accepted.
template <class Parse>
bool accepts(Parse&& parse) {
  try {
    parse();
    return true;
  } catch (const Error& error) {
    require(error.exit == Exit::bad_input, error.what());
    return false;
  }
}

}  // namespace tts::fuzz

#ifdef TTS_LIBFUZZER
#define TTS_FUZZ(name)                                                        \
  static void fuzz_##name(std::string_view bytes);                            \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {   \
    fuzz_##name(std::string_view(reinterpret_cast<const char*>(data), size)); \
    return 0;                                                                 \
  }                                                                           \
  static void fuzz_##name(std::string_view bytes)
#else
#define TTS_FUZZ(name)                                                      \
  static void fuzz_##name(std::string_view bytes);                          \
  static const tts::fuzz::Registered registered_##name(#name, fuzz_##name); \
  static void fuzz_##name(std::string_view bytes)
#endif
