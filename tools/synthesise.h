// The default command: text or codes in, audio out.
#pragma once

#include "tools/cli.h"

namespace tts {

int synthesise(const Arguments& args);  // the exit code
int codec_decode(const Arguments& args);

}  // namespace tts
