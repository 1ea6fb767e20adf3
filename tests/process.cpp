#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace tts::test {

namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int read_end = -1, write_end = -1;
};

Pipe open_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  return {ends[0], ends[1]};
}

// A terminal instead: what is written to the one end is read from the other.
Pipe open_terminal() {
  Pipe ends{posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), -1};
  if (ends.read_end < 0 || grantpt(ends.read_end) != 0 || unlockpt(ends.read_end) != 0)
    throw std::runtime_error("no terminal");
  ends.write_end = open(ptsname(ends.read_end), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (ends.write_end < 0) throw std::runtime_error("no terminal");
  return ends;
}

void close_once(int& descriptor) {
  if (descriptor >= 0) close(descriptor);
  descriptor = -1;
}

[[noreturn]] void become(const std::string& program, const std::vector<std::string>& arguments,
                         const RunOptions& options, Pipe& in, Pipe& out, Pipe& err) {
  dup2(in.read_end, STDIN_FILENO);
  dup2(err.write_end, STDERR_FILENO);
  if (options.output_file.empty()) {
    dup2(out.write_end, STDOUT_FILENO);
  } else {
    const int file = open(options.output_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dup2(file, STDOUT_FILENO);
  }
  if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) _exit(99);
  unsetenv("TTS_MODEL");
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  if (options.file_size_limit >= 0) {
    const rlimit limit{static_cast<rlim_t>(options.file_size_limit),
                       static_cast<rlim_t>(options.file_size_limit)};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  if (options.memory_limit >= 0) {
    const rlimit limit{static_cast<rlim_t>(options.memory_limit), static_cast<rlim_t>(options.memory_limit)};
    setrlimit(RLIMIT_AS, &limit);
  }
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& word : arguments) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  _exit(98);
}

// Feeds and drains the three streams until both outputs are closed; sends the signal in time.
void converse(pid_t process, const RunOptions& options, int in, int out, int err, Finished& done) {
  const auto begin = Clock::now();
  size_t fed = 0;
  bool sent = options.signal == 0;
  if (options.input.empty() && !options.hold_input) close_once(in);
  while (out >= 0 || err >= 0) {
    pollfd waiting[] = {{options.hold_input ? -1 : in, POLLOUT, 0}, {out, POLLIN, 0}, {err, POLLIN, 0}};
    poll(waiting, 3, sent ? 1000 : 1);
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count();
    const bool due = options.signal_at_output ? !done.out.empty() : passed >= options.delay_ms;
    if (!sent && due) {
      kill(process, options.signal);
      sent = true;
    }
    if (in >= 0 && waiting[0].revents != 0) {
      const ssize_t count = write(in, options.input.data() + fed, options.input.size() - fed);
      fed += count > 0 ? static_cast<size_t>(count) : 0;
      if (count <= 0 || fed == options.input.size()) close_once(in);
    }
    const auto drain = [](int& from, short events, std::string& to) {
      char bytes[65536];
      if (from < 0 || events == 0) return;
      const ssize_t count = read(from, bytes, sizeof bytes);
      if (count <= 0)
        close_once(from);
      else
        to.append(bytes, static_cast<size_t>(count));
    };
    drain(out, waiting[1].revents, done.out);
    drain(err, waiting[2].revents, done.err);
    if (options.close_output_after >= 0 &&
        static_cast<int64_t>(done.out.size()) >= options.close_output_after)
      close_once(out);
  }
  close_once(in);
}

}  // namespace

Finished run(const std::string& program, const std::vector<std::string>& arguments,
             const RunOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe in = open_pipe(), out = options.terminal ? open_terminal() : open_pipe(), err = open_pipe();
  // Until it is the program, the child is a copy of the tests with their signal handlers: signals wait.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t process = fork();
  if (process < 0) throw std::runtime_error("no process");
  if (process == 0) {
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGABRT, SIGSEGV}) std::signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    become(program, arguments, options, in, out, err);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  close_once(in.read_end);
  close_once(out.write_end);
  close_once(err.write_end);
  Finished done;
  converse(process, options, in.write_end, out.read_end, err.read_end, done);
  int status = 0;
  waitpid(process, &status, 0);
  if (WIFEXITED(status)) done.exit = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) done.signal = WTERMSIG(status);
  return done;
}

Finished tts_gen(const std::vector<std::string>& arguments, const RunOptions& options) {
  const char* elsewhere = std::getenv("TTS_TEST_PROGRAMS");  // a copy that no build replaces meanwhile
  return run(std::string(elsewhere ? elsewhere : TTS_BIN_DIR) + "/tts-gen", arguments, options);
}

std::vector<std::string> merged(const std::vector<std::string>& defaults,
                                const std::vector<std::string>& more) {
  std::vector<std::string> words;
  for (size_t i = 0; i + 1 < defaults.size(); i += 2) {
    if (std::find(more.begin(), more.end(), defaults[i]) == more.end())
      words.insert(words.end(), {defaults[i], defaults[i + 1]});
  }
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_complete_wav(const std::string& bytes) {
  if (bytes.size() <= 44 || bytes.compare(0, 4, "RIFF") != 0 || bytes.compare(8, 4, "WAVE") != 0)
    return false;
  uint32_t riff = 0, data = 0;
  std::memcpy(&riff, bytes.data() + 4, 4);
  std::memcpy(&data, bytes.data() + 40, 4);
  return riff == bytes.size() - 8 && data == bytes.size() - 44 && data % 2 == 0;
}

}  // namespace tts::test
