// Which devices of this build can run on this machine. Only a GPU may be missing, and that is said; where one
// is expected (TTS_EXPECT_GPU, set by tools/gpu_session.sh) it is a failure.
#pragma once

#include "kernels/devices.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace tts::test {

template <class D>
bool is_here() {
  if (D::kind() != "cuda") return true;
  try {
    D probe{DeviceOptions{}};
    return true;
  } catch (const Error& error) {
    if (error.exit != Exit::device || std::getenv("TTS_EXPECT_GPU")) throw;
    std::printf("not run on cuda: %s\n", error.what());
    return false;
  }
}

inline std::vector<std::string> kinds_here() {
  std::vector<std::string> kinds;
#define TTS_ADD(D) \
  if (is_here<D>()) kinds.emplace_back(D::kind());
  TTS_DEVICES(TTS_ADD)
#undef TTS_ADD
  return kinds;
}

}  // namespace tts::test
