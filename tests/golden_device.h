// The device under comparison, by name, and what the design promises for it.
#pragma once

#include "kernels/devices.h"

#include <algorithm>
#include <string>

namespace tts::golden {

// "cpu:avx2" is the device cpu at that level.
template <class Use>
void with_golden_device(const std::string& name, Use&& use) {
  const size_t colon = std::min(name.find(':'), name.size());
  const std::string kind = name.substr(0, colon);
  DeviceOptions options;
  if (colon < name.size()) options.cpu_level = name.substr(colon + 1);
#define TTS_TRY(D)         \
  if (kind == D::kind()) { \
    D device{options};     \
    use(device);           \
    return;                \
  }
  TTS_DEVICES(TTS_TRY)
#undef TTS_TRY
  throw Error(Exit::usage, "--device {}: not in this build", name);
}

// Waveforms in f32: 100 dB on the host devices, 90 dB where kernels reduce in other orders.
inline double wave_snr_db(std::string_view kind) { return kind == "cuda" || kind == "emulator" ? 90 : 100; }

}  // namespace tts::golden
