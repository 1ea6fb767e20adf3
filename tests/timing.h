// Times that tests bound: of the processor, because other programs share the machine; and by how much a build
// that is not the ordinary one may exceed them. It still may not hang.
#pragma once

#include <ctime>

namespace tts::test {

#if defined(TTS_SANITIZED) || !defined(__OPTIMIZE__)
inline constexpr double kSlower{30};
#else
inline constexpr double kSlower{1};
#endif

template <class Work>
double processor_ms(Work&& work) {
  const std::clock_t begin = std::clock();
  work();
  return 1e3 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

}  // namespace tts::test
