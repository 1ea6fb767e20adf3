// Playing through a program that is already on the machine: it reads raw samples from a pipe.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace tts {

struct Player {
  std::string program;  // "aplay"
  pid_t process = -1;
  std::string pipe;  // "/dev/fd/N": s16le mono goes here
  int descriptor = -1;
};

std::optional<std::string> find_player();  // the first known one in PATH
Player start_player(const std::string& program, int rate_hz);
void wait_for_player(Player& player);  // Exit::output when it failed

}  // namespace tts
