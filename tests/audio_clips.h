// Bytes of audio files made to measure, and the recorded samples that files of tests/ should give.
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
std::string file_text(const std::string& path);
std::string data_path(std::string_view name);    // of tests/data
std::string golden_path(std::string_view name);  // of tests/goldens

// One F32 tensor of a safetensors file; a missing one fails the test.
std::vector<float> recorded(const std::string& path, const std::string& name);
double relative_error(std::span<const float> got,
                      std::span<const float> want);  // Euclidean norms; 1e9 if lengths differ
std::vector<float> tone(int64_t samples, double step = 0.05, float amplitude = 0.5f);  // fades out at the end

struct Complaint {
  int exit = 0;  // 0: nothing was thrown
  std::string message;
};
template <class Call>
Complaint complaint(Call call);

// A fresh directory that is removed with everything in it.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::vector<std::string> names() const;  // hidden ones too, sorted

 private:
  std::string path_;
};

}  // namespace tts::test

#include "base/error.h"

template <class Call>
tts::test::Complaint tts::test::complaint(Call call) {
  try {
    call();
  } catch (const Error& e) {
    return {static_cast<int>(e.exit), e.what()};
  }
  return {};
}
