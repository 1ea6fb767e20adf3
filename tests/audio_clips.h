// Bytes of audio files made to measure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tts::test {

std::string number(uint64_t value, int bytes);                     // little-endian
std::string chunk(std::string_view name, std::string_view bytes);  // with its size, padded to even

// A correct WAV file unless a field says otherwise; sizes are computed where they are negative.
struct WavSpec {
  std::string_view magic = "RIFF";
  int64_t riff_size = -1;
  int tag = 1, channels = 1, bits = 16;
  int64_t rate = 24'000;
  int64_t frame = -1;                                                 // bytes per frame
  std::string format_more = "";                                       // behind the first 16 bytes of "fmt "
  int64_t format_size = -1;                                           // as declared
  std::string before_format = "", before_data = "", after_data = "";  // whole chunks
  std::string data = std::string(4'000, '\1');
  int64_t data_size = -1;  // as declared
};
std::string wav_bytes(const WavSpec& spec);
std::string extensible(int used_bits, int tag, std::string_view identifier_tail);  // for WavSpec::format_more
std::string ds64(uint64_t riff_size, uint64_t data_size);                          // whole chunk

std::span<const std::byte> as_bytes(std::string_view text);
std::string data_path(std::string_view name);  // of tests/data
std::vector<float> tone(int64_t samples, double step = 0.05, float amplitude = 0.5f);  // fades out at the end

}  // namespace tts::test
