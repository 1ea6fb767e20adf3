// The commands beside synthesis; each returns the exit code.
#pragma once

#include "tools/cli.h"

namespace tts {

int doctor(const Arguments& args);
int voices(const Arguments& args);
int inspect(const Arguments& args);
int tokens(const Arguments& args);
int clone(const Arguments& args);
int codec_encode(const Arguments& args);
int print_config(const Arguments& args);
int print_version(const Arguments& args);

}  // namespace tts
