// The one exception type and the one list of exit codes. A message is complete where it is thrown:
// "FILE: thing: expected X, got Y" and then the user's next step where there is one. Nobody catches to
// decorate.
#pragma once

#include "base/format.h"

#include <stdexcept>
#include <string>
#include <utility>

namespace tts {

enum class Exit : int {
  ok = 0,
  internal = 1,       // includes non-finite numbers: never masked by silence
  usage = 2,          // bad option or option value
  bad_input = 3,      // text, reference audio, voice file, model files
  device = 4,         // missing, unsupported, out of memory
  output = 5,         // disk full, closed pipe, existing file with --no-clobber
  limit = 6,          // audio written, but an item hit a length limit or the guard
  timeout = 124,      //
  interrupted = 130,  // SIGINT
  terminated = 143,   // SIGTERM
};

class Error : public std::runtime_error {
 public:
  template <class... Args>
  Error(Exit code, std::type_identity_t<detail::Pattern<Args...>> pattern, const Args&... args)
      : std::runtime_error(format(pattern, args...)), exit(code) {}

  Exit exit;
};

// Always on, release builds too. `assert` is only for the programmer's own arithmetic in inner loops.
template <class... Args>
void check(bool condition, Exit code, std::type_identity_t<detail::Pattern<Args...>> pattern,
           const Args&... args) {
  if (!condition) [[unlikely]]
    throw Error(code, pattern, args...);
}

}  // namespace tts
