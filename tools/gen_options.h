// The option table of tts-gen, and what its commands are.
#pragma once

#include "tools/cli.h"

namespace tts {

// clang-format off
enum class GenCommand : uint8_t {
  speak, doctor, voices, inspect, tokens, clone, codec_encode, codec_decode, kCount
};
// clang-format on

extern const Program kGenProgram;
inline GenCommand command_of(const Arguments& args) { return static_cast<GenCommand>(args.command); }

}  // namespace tts
