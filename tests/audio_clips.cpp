#include "audio_clips.h"


#include <algorithm>
#include <cmath>
#include <cstring>

namespace tts::test {

std::string number(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

std::string chunk(std::string_view name, std::string_view bytes) {
  return std::string(name) + number(bytes.size(), 4) + std::string(bytes) +
         (bytes.size() % 2 ? std::string(1, '\0') : "");
}

std::string wav_bytes(const WavSpec& s) {
  const int64_t frame = s.frame >= 0 ? s.frame : s.channels * s.bits / 8;
  const std::string chunk =
      number(static_cast<uint64_t>(s.tag), 2) + number(static_cast<uint64_t>(s.channels), 2) +
      number(static_cast<uint64_t>(s.rate), 4) + number(static_cast<uint64_t>(s.rate * frame), 4) +
      number(static_cast<uint64_t>(frame), 2) + number(static_cast<uint64_t>(s.bits), 2) + s.format_more;
  const auto size = [](int64_t declared, size_t real) {
    return number(declared >= 0 ? static_cast<uint64_t>(declared) : static_cast<uint64_t>(real), 4);
  };
  std::string body = "WAVE" + s.before_format + "fmt " + size(s.format_size, chunk.size()) + chunk +
                     s.before_data + "data" + size(s.data_size, s.data.size()) + s.data +
                     (s.data.size() % 2 ? std::string(1, '\0') : "") + s.after_data;
  return std::string(s.magic) + size(s.riff_size, body.size()) + body;
}

std::string extensible(int used_bits, int tag, std::string_view identifier_tail) {
  return number(22, 2) + number(static_cast<uint64_t>(used_bits), 2) + number(0, 4) +
         number(static_cast<uint64_t>(tag), 2) + std::string(identifier_tail);
}

std::string ds64(uint64_t riff_size, uint64_t data_size) {
  return chunk("ds64", number(riff_size, 8) + number(data_size, 8) + number(data_size / 2, 8) + number(0, 4));
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string data_path(std::string_view name) {
  return std::string(TTS_SOURCE_DIR "/tests/data/") + std::string(name);
}
std::vector<float> tone(int64_t samples, double step, float amplitude) {
  std::vector<float> out(static_cast<size_t>(samples));
  for (int64_t i = 0; i < samples; ++i) {
    const double fade = std::min(1.0, static_cast<double>(samples - 1 - i) / 2'000);
    out[static_cast<size_t>(i)] =
        static_cast<float>(amplitude * fade * std::sin(step * static_cast<double>(i)));
  }
  return out;
}

}  // namespace tts::test
