// Text, voice and language -> the rows that enter the talker (spec/prompt.md), as ids. Nothing here touches a
// device: a prompt is a list of small integers that a test can print.
#pragma once

#include "engine/model.h"
#include "engine/synthesis.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tts {

// One talker row = text-channel vector + codec-channel vector; either may be missing (-1: contributes
// nothing).
struct PromptRow {
  int32_t text = -1;       // T(text)
  int32_t codec = -1;      // E0(codec)
  int32_t reference = -1;  // S(reference): the sum of all code vectors of that reference frame
  bool speaker = false;    // the speaker vector of a cloned voice
};

struct Prompt {
  std::vector<PromptRow> rows;
  std::vector<int32_t> trailing;  // text ids fed one per frame after the prompt; after the last: tts_pad
  std::shared_ptr<const ClonedVoice> voice;
  int text_tokens = 0;            // of the text alone
  std::string language;           // as used, after the dialect override; "auto": no language row
  std::vector<std::string> warnings;

  // Template ids, for comparison with the official implementation.
  std::vector<int32_t> input_ids, instruct_ids, reference_ids;
};

// Checks what the request asks for against what the checkpoint accepts (Exit::usage, Exit::bad_input) and
// lays out the rows.
Prompt build_prompt(const Model& model, const SpeakRequest& request);

}  // namespace tts
