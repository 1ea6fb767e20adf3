// The first bytes decide the container, whatever the name says. Lengths are counted while decoding: a header
// may lie.
#include "codec/audio_reader.h"

#include "base/file.h"
#include "base/limits.h"
#include "codec/mp3.h"
#include "codec/ogg.h"
#include "codec/sound_file.h"
#include "codec/wav.h"

#include <algorithm>
#include <cmath>

namespace tts {

namespace {

constexpr int64_t kBlockFrames{4096};
// One sample at full scale is a loud peak; several in a row are the mark of clipping.
constexpr int kClippedRun{3};
constexpr float kFullScale{0.9999f};  // 32767 / 32768 is above it

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

struct Opened {
  std::vector<std::byte> rebuilt;  // what the decoder reads, if not the file itself
  SoundDecoder decoder;
  std::string container;
};

Opened open_clip(std::span<const std::byte> bytes, const std::string& origin) {
  if (is_wav(bytes)) {
    const WavFile wav = parse_wav(bytes, origin);
    check(!wav.data.empty(), Exit::bad_input, "{}: expected samples, got none", origin);
    return {{}, SoundDecoder(wav.data, Container::raw, origin, &wav.layout), "WAV"};
  }
  if (starts_with(bytes, "fLaC")) return {{}, SoundDecoder(bytes, Container::flac, origin), "FLAC"};
  if (starts_with(bytes, "OggS")) {
    check_ogg_pages(bytes, origin);
    return {{}, SoundDecoder(bytes, Container::ogg, origin), "Ogg"};
  }
  check(is_mp3(bytes), Exit::bad_input,
        "{}: unknown audio format; expected WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3", origin);
  std::vector<std::byte> counted = counted_mp3(bytes, origin);
  SoundDecoder decoder(counted, Container::mpeg, origin);
  return {std::move(counted), std::move(decoder), "MP3"};
}

bool allowed(Container container, Encoding encoding) {
  switch (container) {
    case Container::raw:
      return true;  // parse_wav knows its encodings
    case Container::flac:
      return encoding == Encoding::pcm8 || encoding == Encoding::pcm16 || encoding == Encoding::pcm24;
    case Container::ogg:
      return encoding == Encoding::vorbis || encoding == Encoding::opus;
    case Container::mpeg:
      return encoding == Encoding::layer3;
  }
  return false;
}

void check_layout(const SoundDecoder& decoder, const std::string& origin) {
  check(allowed(decoder.container(), decoder.encoding()), Exit::bad_input,
        "{}: audio encoding: not one that is read: {}", origin, str(decoder.encoding()));
  check(decoder.channels() >= 1 && decoder.channels() <= limits::kClipChannels, Exit::bad_input,
        "{}: channels: expected 1..{}, got {}", origin, limits::kClipChannels.value, decoder.channels());
  check(decoder.rate_hz() >= limits::kClipMinRate && decoder.rate_hz() <= limits::kClipMaxRate,
        Exit::bad_input, "{}: sample rate: expected {}..{} Hz, got {}", origin, limits::kClipMinRate.value,
        limits::kClipMaxRate.value, decoder.rate_hz());
}

// Frames that may be decoded: what 60 s and 64 MiB of floats allow.
void check_length(int64_t frames, const SoundDecoder& decoder, const std::string& origin) {
  check(frames <= limits::kClipSeconds * decoder.rate_hz(), Exit::bad_input,
        "{}: expected at most {} seconds of audio, got more; cut the clip", origin,
        limits::kClipSeconds.value);
  const int64_t bytes = frames * decoder.channels() * static_cast<int64_t>(sizeof(float));
  check(bytes <= limits::kClipDecodedBytes, Exit::bad_input,
        "{}: expected at most {} bytes of decoded audio, got more; cut the clip", origin,
        limits::kClipDecodedBytes.value);
}

// Appends the mean of the channels and follows runs at full scale, per channel.
void mix(AudioClip& clip, std::span<const float> block, std::vector<int>& runs, const std::string& origin) {
  const auto channels = static_cast<size_t>(clip.channels);
  for (size_t at = 0; at < block.size(); at += channels) {
    double sum = 0;
    for (size_t c = 0; c < channels; ++c) {
      const float x = block[at + c];
      check(std::isfinite(x), Exit::bad_input, "{}: sample {}: expected a finite number, got {}", origin,
            clip.samples.size(), x);
      runs[c] = std::fabs(x) >= kFullScale ? runs[c] + 1 : 0;
      clip.clipped = clip.clipped || runs[c] >= kClippedRun;
      sum += x;
    }
    clip.samples.push_back(static_cast<float>(sum / clip.channels));
  }
}

}  // namespace

AudioClip parse_audio(std::span<const std::byte> bytes, const std::string& origin) {
  const auto size = static_cast<int64_t>(bytes.size());
  check(size > 0, Exit::bad_input, "{}: the file is empty", origin);
  check(size <= limits::kClipBytes, Exit::bad_input, "{}: expected at most {} bytes, got {}", origin,
        limits::kClipBytes.value, size);
  Opened opened = open_clip(bytes, origin);
  SoundDecoder& decoder = opened.decoder;
  check_layout(decoder, origin);
  const int64_t declared = decoder.declared_frames();
  check_length(std::max<int64_t>(declared, 0), decoder, origin);
  AudioClip clip{.samples = {},
                 .rate = decoder.rate_hz(),
                 .channels = decoder.channels(),
                 .format = format("{}, {}", opened.container, str(decoder.encoding()))};
  std::vector<float> block(static_cast<size_t>(kBlockFrames * clip.channels));
  std::vector<int> runs(static_cast<size_t>(clip.channels));
  while (const int64_t frames = decoder.read(block)) {
    check_length(static_cast<int64_t>(clip.samples.size()) + frames, decoder, origin);
    mix(clip, std::span(block).first(static_cast<size_t>(frames * clip.channels)), runs, origin);
  }
  const auto decoded = static_cast<int64_t>(clip.samples.size());
  check(decoded > 0, Exit::bad_input, "{}: expected samples, got none", origin);
  check(declared < 0 || decoded == declared, Exit::bad_input,
        "{}: expected {} samples, got {}; the file is truncated or damaged", origin, declared, decoded);
  return clip;
}

AudioClip read_audio(const std::string& path) {
  const MappedFile file(path);
  AudioClip clip = parse_audio(file.bytes(), path);
  file.check_intact();
  return clip;
}

}  // namespace tts
