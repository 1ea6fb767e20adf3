#include "audio_clips.h"

#include "base/file.h"
#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

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
  const std::string format =
      number(static_cast<uint64_t>(s.tag), 2) + number(static_cast<uint64_t>(s.channels), 2) +
      number(static_cast<uint64_t>(s.rate), 4) + number(static_cast<uint64_t>(s.rate * frame), 4) +
      number(static_cast<uint64_t>(frame), 2) + number(static_cast<uint64_t>(s.bits), 2) + s.format_more;
  const auto size = [](int64_t declared, size_t real) {
    return number(declared >= 0 ? static_cast<uint64_t>(declared) : static_cast<uint64_t>(real), 4);
  };
  std::string body = "WAVE" + s.before_format + "fmt " + size(s.format_size, format.size()) + format +
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

std::string file_text(const std::string& path) { return read_text(path, 64 << 20); }
std::string data_path(std::string_view name) {
  return std::string(TTS_SOURCE_DIR "/tests/data/") + std::string(name);
}
std::string golden_path(std::string_view name) {
  return std::string(TTS_SOURCE_DIR "/tests/goldens/") + std::string(name);
}

std::vector<float> recorded(const std::string& path, const std::string& name) {
  const std::string file = file_text(path);
  uint64_t header = 0;
  std::memcpy(&header, file.data(), 8);
  const Json json = Json::parse(std::string_view(file).substr(8, header), path);
  const Json& row = json.at(name);
  if (row.at("dtype").text() != "F32") throw std::runtime_error(name + " is not F32");
  const int64_t begin = row.at("data_offsets").items()[0].integer(0, 1 << 30);
  const int64_t end = row.at("data_offsets").items()[1].integer(0, 1 << 30);
  std::vector<float> values(static_cast<size_t>(end - begin) / sizeof(float));
  std::memcpy(values.data(), file.data() + 8 + header + begin, static_cast<size_t>(end - begin));
  return values;
}

double relative_error(std::span<const float> got, std::span<const float> want) {
  if (got.size() != want.size()) return 1e9;
  double error = 0, norm = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - want[i], 2);
    norm += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(error / norm);
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

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "tts-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> Folder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace tts::test
