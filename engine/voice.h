// Saved voices: what cloning needs of a reference clip, in one small file (.ttsvoice), little-endian:
//
//   offset  size    content
//   0       8       "TTSVOICE"
//   8       4       version, 1
//   12      4       H, width of the speaker vector
//   16      8       fingerprint of the checkpoint that made it; 0: not known
//   24      4       R, frames of reference codes; 0: the speaker vector alone
//   28      4       K, codes per frame; 0 when R is 0
//   32      4       n, bytes of the transcript; not 0 when R is not 0
//   36      4       0
//   40      4*H     speaker vector, F32, finite
//           4*R*K   codes, I32, from 0
//           n       transcript, UTF-8
//           8       checksum: FNV-1a, 64 bits, of everything before it; it ends the file
#pragma once

#include "engine/synthesis.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

struct SavedVoice {
  ClonedVoice voice;
  int groups = 0;           // codes per frame; 0 without codes
  uint64_t checkpoint = 0;  // fingerprint; 0: not known
  int frames() const { return groups == 0 ? 0 : static_cast<int>(voice.codes.size()) / groups; }
};

// FNV-1a of config.json and of the headers that name the tensors: the same for every copy of a checkpoint,
// another one after any change of geometry, ids or speakers. Weights are not read.
uint64_t checkpoint_fingerprint(const ModelFiles& files);

// A .ttsvoice file, or a voice made elsewhere: NAME.safetensors with "speaker_embedding" [H] and, in-context,
// "ref_codes" [R,K], beside NAME.json with {"ref_text": text or null, "x_vector_only_mode": boolean}; either
// name may be given.
SavedVoice load_voice(const std::string& path);                     // Exit::bad_input
void save_voice(const std::string& path, const SavedVoice& saved);  // Exit::output
SavedVoice parse_voice(std::span<const std::byte> bytes, const std::string& origin);
SavedVoice parse_voice_pair(std::span<const std::byte> tensors, std::string_view json,
                            const std::string& origin);
std::string print_voice(const SavedVoice& saved);

// Does it fit the checkpoint? Exit::bad_input names the width or the codes that do not; warnings when it was
// made by another checkpoint of the same width, or when nobody knows by which.
std::vector<std::string> check_saved_voice(const SavedVoice& saved, const Model& model,
                                           const std::string& origin);

// What `tts-gen voices FILE` prints.
std::string describe_voice(const SavedVoice& saved, const std::string& origin);
std::string describe_voice_json(const SavedVoice& saved, const std::string& origin);

}  // namespace tts
