// Programs of this build as real processes: arguments, standard streams, signals, limits.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tts::test {

struct RunOptions {
  std::string input{};      // standard input; it is closed behind it
  bool hold_input = false;  // it stays open and empty
  std::string directory{};  // working directory
  std::map<std::string, std::string> environment{};
  std::string output_file{};        // standard output goes to this file instead of a pipe
  int64_t file_size_limit = -1;     // RLIMIT_FSIZE
  int64_t memory_limit = -1;        // RLIMIT_AS
  bool terminal = false;            // standard output is a terminal
  int64_t close_output_after = -1;  // bytes: then the reader of standard output goes away
  int signal = 0;                   // sent after `delay_ms`
  int delay_ms = 0;
  bool signal_at_output = false;  // sent when the first bytes of standard output arrive
};

struct Finished {
  int exit = -1;  // -1: ended by `signal`
  int signal = 0;
  std::string out{}, err{};
};

Finished run(const std::string& program, const std::vector<std::string>& arguments,
             const RunOptions& options = {});
Finished tts_gen(const std::vector<std::string>& arguments, const RunOptions& options = {});

// `defaults` are pairs of an option and its value; those that `more` gives itself are left out.
std::vector<std::string> merged(const std::vector<std::string>& defaults,
                                const std::vector<std::string>& more);

std::string file_bytes(const std::string& path);
// Size fields of a 44-byte header agree with the file, which holds at least one sample.
bool is_complete_wav(const std::string& bytes);

}  // namespace tts::test
