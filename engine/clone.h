// A voice from a reference clip: speaker vector and, in context, the codes of the clip
// (spec/speaker-encoder.md section 1, spec/codec-encoder.md section 7). What is refused and what is only said
// stands in clone.cpp.
#pragma once

#include "codec/audio_reader.h"
#include "codec/codec.h"
#include "engine/synthesis.h"

#include <memory>
#include <string>
#include <vector>

namespace tts {

inline constexpr int kReferenceSilenceMs{500};

struct CloneRequest {
  AudioClip clip;
  std::string origin;        // what messages call the clip: its file name
  std::string transcript;    // of the clip; not read when only the vector is wanted
  bool vector_only = false;  // no codes: the voice, not the manner of speaking
  // Appended before the codes are made, so that the last sound of the clip does not run into the new text; 0
  // is the official behaviour. The speaker vector never hears it.
  int silence_ms = kReferenceSilenceMs;
};

struct Clone {
  std::shared_ptr<const ClonedVoice> voice;
  std::vector<std::string> warnings;
};

// Refuses what no encoder has to be opened for.
void check_clone(const Model& model, const CloneRequest& request);

// Both encoders; each is opened by the first clip that needs it and stays for the next.
template <class D>
class Cloner {
 public:
  Cloner(D& device, const Model& model) : d_(device), model_(model) {}
  Clone clone(const CloneRequest& request);
  std::vector<int32_t> encode(std::span<const float> samples);  // at the codec's rate -> [frames][groups]

 private:
  D& d_;
  const Model& model_;
  std::unique_ptr<SpeakerEncoder<D>> speaker_encoder_;
  std::unique_ptr<Encoder<D>> encoder_;
};

}  // namespace tts
