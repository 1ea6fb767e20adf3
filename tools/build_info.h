// What this build is: generated at build time from build_info.cpp.in.
#pragma once

#include <string>

namespace tts {

extern const char* const kVersion;  // "0.1.0"
extern const char* const kCommit;   // "1a2b3c4d5e6f", with "-dirty" when files were changed; or "unknown"
extern const char* const kCompiler;
extern const char* const kBuildType;
extern const char* const kCudaArchitectures;  // "none" without CUDA

std::string processor_sets();  // instruction sets of this machine that matter to the CPU device

}  // namespace tts
