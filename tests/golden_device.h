// The device under comparison, by name, and what the design promises for it.
#pragma once

#include "kernels/devices.h"

#include <string>

namespace tts::golden {

template <class Use>
void with_golden_device(const std::string& kind, Use&& use) {
#define TTS_TRY(D)         \
  if (kind == D::kind()) { \
    D device{DeviceOptions{}}; \
    use(device);           \
    return;                \
  }
  TTS_DEVICES(TTS_TRY)
#undef TTS_TRY
  throw Error(Exit::usage, "--device {}: not in this build", kind);
}

// Waveforms in f32: 100 dB on the host devices, 90 dB where kernels reduce in other orders.
inline double wave_snr_db(std::string_view kind) { return kind == "cuda" || kind == "emulator" ? 90 : 100; }

}  // namespace tts::golden
