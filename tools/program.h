// What the main functions of the helper programs share: parsing, the pages, the exit code of an error.
#pragma once

#include "tools/cli.h"

namespace tts {

// Prints help, man page, completions or version when asked for, else calls `act` with the arguments and the
// command as typed. Every error becomes one line on standard error, which begins with the program's name, and
// its exit code.
int run_program(const Program& program, int argc, char** argv,
                void (*act)(const Arguments&, const std::string& command));

}  // namespace tts
