// Saved voices, with the checksum made right so that it is not the only thing that is tried. What is accepted
// prints as it was; a voice made elsewhere (JSON, a zero byte, tensors) survives being saved.
#include "engine/voice.h"
#include "fuzz.h"

#include <cstring>
#include <string>

static std::string with_checksum(std::string bytes) {
  if (bytes.size() < 8) return bytes;
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i + 8 < bytes.size(); ++i)
    hash = (hash ^ static_cast<uint8_t>(bytes[i])) * 0x100000001b3u;
  std::memcpy(bytes.data() + bytes.size() - 8, &hash, 8);
  return bytes;
}

static std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TTS_FUZZ(voice) {
  using namespace tts;
  SavedVoice saved;
  if (bytes.starts_with("{")) {
    const size_t end = std::min(bytes.find('\0'), bytes.size());
    const std::string_view tensors = bytes.substr(std::min(end + 1, bytes.size()));
    if (!fuzz::accepts([&] { saved = parse_voice_pair(as_bytes(tensors), bytes.substr(0, end), "pair"); }))
      return;
    const std::string printed = print_voice(saved);
    fuzz::require(print_voice(parse_voice(as_bytes(printed), "saved")) == printed,
                  "an imported voice is read as it was saved");
    return;
  }
  fuzz::accepts([&] { parse_voice(as_bytes(bytes), "voice"); });
  const std::string sealed = with_checksum(std::string(bytes));
  if (!fuzz::accepts([&] { saved = parse_voice(as_bytes(sealed), "voice"); })) return;
  fuzz::require(print_voice(saved) == sealed, "print(parse(x)) is x");
}
