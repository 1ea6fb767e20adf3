// The files of the small voice that the programs carry (tools/voice/flite-en): bytes of the program itself,
// mapped with it and never copied. Who reads a model goes through ModelFiles::open("embedded"); nothing here
// knows what is in them.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace tts {

struct EmbeddedFile {
  std::string_view name;             // as inside a model directory: "speech_tokenizer/config.json"
  std::span<const std::byte> bytes;  // starts at a multiple of 64
};

std::vector<EmbeddedFile> embedded_voice();  // empty: built with TTS_EMBED_VOICE=OFF

}  // namespace tts
