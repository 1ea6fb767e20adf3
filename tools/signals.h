// What ends a run from outside: SIGINT, SIGTERM, --timeout. Installed as the first act of main.
//
// While nothing has to be cleaned up, a signal ends the process at once. Between the creation of a file and
// its last name an Orderly object is alive: the signal is noted, the loop of frames asks stop_reason() and
// ends in order.
#pragma once

#include "base/error.h"

#include <optional>

namespace tts {

void install_handlers();  // SIGPIPE is ignored from here on
void start_timeout(double seconds);

// The first thing that asked the run to end: Exit::interrupted, Exit::terminated or Exit::timeout.
std::optional<Exit> stop_reason();

class Orderly {
 public:
  // may_block: the output is a pipe whose reader may never read again; then the process ends a second after
  // the signal.
  explicit Orderly(bool may_block = false);
  ~Orderly();
  Orderly(const Orderly&) = delete;

 private:
  bool blocking_;
};

}  // namespace tts
