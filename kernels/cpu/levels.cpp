#include "kernels/cpu/levels.h"

#include "base/error.h"

#include <algorithm>
#include <iterator>
#include <string>

namespace tts {

namespace {

constexpr std::string_view kNames[] = {"portable", "avx2", "avx512", "vnni"};

}  // namespace

std::string_view str(Level level) { return kNames[static_cast<size_t>(level)]; }

std::vector<Level> levels_of_this_cpu() {
  std::vector<Level> levels{Level::portable};
#if defined(__x86_64__)
  __builtin_cpu_init();  // asks the system too whether it saves the wide registers
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return levels;
  levels.push_back(Level::avx2);
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return levels;
  }
  levels.push_back(Level::avx512);
  if (__builtin_cpu_supports("avx512vnni")) levels.push_back(Level::vnni);
#endif
  return levels;
}

Level choose_level(std::string_view name) {
  const std::vector<Level> levels = levels_of_this_cpu();
  if (name.empty()) return levels.back();
  std::string list;
  for (const Level level : levels) {
    if (str(level) == name) return level;
    list += (list.empty() ? "" : ", ") + std::string(str(level));
  }
  const bool known = std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
  throw Error(known ? Exit::device : Exit::usage, "--cpu-level {}: {}; this processor has {}", name,
              known ? "not on this processor" : "no such level", list);
}

}  // namespace tts
