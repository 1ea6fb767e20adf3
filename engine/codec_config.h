// speech_tokenizer/config.json and speaker_encoder_config -> codec/config.h.
#pragma once

#include "base/json.h"
#include "codec/config.h"

#include <optional>

namespace tts {

CodecDecoderConfig read_codec_decoder(const Json& file);
std::optional<CodecEncoderConfig> read_codec_encoder(const Json& file);  // no encoder_config: nothing
// Of config.json. `talker_width`: the vector becomes a row of the talker's input.
SpeakerEncoderConfig read_speaker_encoder(const Json& file, int talker_width, int sample_rate);

}  // namespace tts
