#include "tools/signals.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cmath>

namespace tts {

namespace {

// Handlers reach nothing but these: lock-free, and the only file-scope state of the tools.
std::atomic<int> g_stop{0};      // exit code of the first signal
std::atomic<int> g_orderly{0};   // how many Orderly objects are alive
std::atomic<int> g_blocking{0};  // how many of them write to a pipe
static_assert(std::atomic<int>::is_always_lock_free);

void arm_timer(double seconds) {
  const double whole = std::floor(seconds);
  itimerval timer{};
  timer.it_value.tv_sec = static_cast<time_t>(whole);
  timer.it_value.tv_usec = static_cast<suseconds_t>((seconds - whole) * 1e6);
  if (timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0) timer.it_value.tv_usec = 1;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

void say_and_exit(int code) {
  const char* line = code == static_cast<int>(Exit::timeout)
                         ? "tts-gen: --timeout: ended before it was done\n"
                     : code == static_cast<int>(Exit::interrupted) ? "tts-gen: interrupted\n"
                                                                   : "tts-gen: terminated\n";
  size_t length = 0;
  while (line[length] != 0) ++length;
  if (write(STDERR_FILENO, line, length) < 0) _exit(code);
  _exit(code);
}

void handle(int signal_number) {
  const int code = signal_number == SIGINT    ? static_cast<int>(Exit::interrupted)
                   : signal_number == SIGTERM ? static_cast<int>(Exit::terminated)
                                              : static_cast<int>(Exit::timeout);
  int first = 0;
  const bool is_first = g_stop.compare_exchange_strong(first, code);
  if (g_orderly == 0) say_and_exit(is_first ? code : first);
  if (g_blocking == 0) return;
  if (is_first) {
    arm_timer(1);
  } else {
    say_and_exit(first);
  }
}

}  // namespace

void install_handlers() {
  struct sigaction action {};
  action.sa_handler = handle;
  sigfillset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGALRM}) sigaction(number, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

void start_timeout(double seconds) { arm_timer(seconds); }

std::optional<Exit> stop_reason() {
  const int code = g_stop;
  return code == 0 ? std::nullopt : std::optional(static_cast<Exit>(code));
}

Orderly::Orderly(bool may_block) {
  ++g_orderly;
  if (may_block) ++g_blocking;
  blocking_ = may_block;
}

Orderly::~Orderly() {
  if (blocking_) --g_blocking;
  --g_orderly;
}

}  // namespace tts
