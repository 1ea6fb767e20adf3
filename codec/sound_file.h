// libsndfile behind our own words: bytes in, samples out, and samples in, bytes out. No policy: the callers
// decide what is accepted. Its header stays in sound_file.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tts {

enum class Container : uint8_t { raw, flac, ogg, mpeg };
enum class Encoding : uint8_t {
  pcm8,
  pcm_u8,
  pcm16,
  pcm24,
  pcm32,
  f32,
  f64,
  ulaw,
  alaw,
  vorbis,
  opus,
  layer3,
  other
};
std::string_view str(Encoding encoding);  // "16-bit PCM", "Vorbis", ...

// What headerless bytes are; the other containers say it themselves.
struct RawLayout {
  Encoding encoding;
  int channels, rate_hz;
};

class SoundDecoder {
 public:
  // `bytes` stay where they are until the decoder is gone. Exit::bad_input when they cannot be opened.
  SoundDecoder(std::span<const std::byte> bytes, Container container, const std::string& origin,
               const RawLayout* raw = nullptr);
  SoundDecoder(SoundDecoder&&) noexcept;
  ~SoundDecoder();

  Container container() const;
  Encoding encoding() const;
  int channels() const;
  int rate_hz() const;
  int64_t declared_frames() const;  // negative: the file does not say
  // Interleaved; the number of frames, 0 at the end.
  int64_t read(std::span<float> samples);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Where encoded bytes go: `offset` is where the encoder stands, which is mostly, not always, the end.
using ByteSink = std::function<void(int64_t offset, const void* data, size_t bytes)>;

class SoundEncoder {
 public:
  static bool available(Container container, Encoding encoding);  // in this libsndfile
  // Mono. What `sink` throws comes out of the call in which it happened.
  SoundEncoder(Container container, Encoding encoding, int rate_hz, const std::string& origin, ByteSink sink);
  SoundEncoder(SoundEncoder&&) noexcept;
  ~SoundEncoder();  // without finish(): what is left is thrown away

  void write(std::span<const float> samples);
  void write(std::span<const int16_t> samples);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tts
