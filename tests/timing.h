// Times that tests bound: of the processor, because other programs share the machine; and by how much a build
// that is not the ordinary one may exceed them. It still may not hang.
#pragma once

#include <algorithm>
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

inline double thread_ms() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
}

// Processor time of this thread, best of three.
template <class Work>
double best_ms(Work&& work) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const double begin = thread_ms();
    work();
    best = std::min(best, thread_ms() - begin);
  }
  return best;
}

}  // namespace tts::test
