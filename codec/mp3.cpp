// A frame begins with 32 bits, most significant first:
//   11 ones   version 2 (0: 2.5, 2: 2, 3: 1)   layer 2 (1: III)   no CRC 1   bit rate 4   rate 2   padding 1
//   private 1 channel mode 2 (3: mono)   6 others
// Behind them: a CRC of 2 bytes if there is one, 9, 17 or 32 bytes of side information, the samples. The
// first frame may hold no samples but "Xing" or "Info", flags u32, and with flag 1 the number of frames u32,
// big-endian.
#include "codec/mp3.h"

#include "base/error.h"
#include "base/limits.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tts {

namespace {

constexpr int kRates[3]{44'100, 48'000, 32'000};  // version 1; halved and quartered for 2 and 2.5
constexpr int kKilobits1[15]{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320};
constexpr int kKilobits2[15]{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160};
constexpr uint32_t kConstant{0xfffe0c00};  // sync, version, layer, rate: the same in all frames of a file

struct Frame {
  uint32_t bits;
  int rate_hz, samples;
  size_t bytes, side;  // whole frame; where the samples or the tag begin
};

uint32_t big_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

std::optional<Frame> parse_frame(std::string_view rest) {
  if (rest.size() < 4) return {};
  const uint32_t bits = big_endian(rest, 0);
  const uint32_t version = bits >> 19 & 3, kilobits = bits >> 12 & 15, rate = bits >> 10 & 3;
  const bool layer3 = (bits >> 17 & 3) == 1;
  if (bits >> 21 != 0x7ff || version == 1 || !layer3 || kilobits == 0 || kilobits == 15 || rate == 3)
    return {};
  const bool first = version == 3, mono = (bits >> 6 & 3) == 3;
  Frame f{};
  f.bits = bits;
  f.rate_hz = kRates[rate] >> (first ? 0 : version == 2 ? 1 : 2);
  f.samples = first ? 1152 : 576;
  const int rate_bits = 1000 * (first ? kKilobits1 : kKilobits2)[kilobits];
  f.bytes = static_cast<size_t>(f.samples / 8 * rate_bits / f.rate_hz) + (bits >> 9 & 1);
  f.side = 4 + (bits >> 16 & 1 ? 0u : 2u) + (first ? (mono ? 17u : 32u) : (mono ? 9u : 17u));
  return f;
}

// Bytes of the tags in front: "ID3", version u16, flags u8, size of 4 * 7 bits; zeros may follow.
size_t leading_bytes(std::string_view file, const std::string& origin) {
  size_t at = 0;
  while (file.substr(at).starts_with("ID3") && file.size() - at >= 10) {
    size_t size = 10 + (static_cast<uint8_t>(file[at + 5]) & 0x10 ? 10u : 0u);
    size_t length = 0;
    for (size_t i = 6; i < 10; ++i) length = length << 7 | (static_cast<uint8_t>(file[at + i]) & 0x7f);
    size += length;
    check(size <= file.size() - at, Exit::bad_input,
          "{}: ID3 tag: expected {} bytes, got {}; the file is truncated", origin, size, file.size() - at);
    at += size;
  }
  return at == 0 ? 0 : std::min(file.find_first_not_of('\0', at), file.size());
}

// Without the tags behind: "TAG" with 125 bytes, "APETAGEX" with its size 12 bytes later in a footer of 32;
// zeros.
std::string_view without_trailing_tags(std::string_view file) {
  for (size_t before = 0; before != file.size();) {
    before = file.size();
    if (file.size() >= 128 && file.substr(file.size() - 128).starts_with("TAG")) file.remove_suffix(128);
    if (file.size() >= 32 && file.substr(file.size() - 32).starts_with("APETAGEX")) {
      const std::string_view footer = file.substr(file.size() - 32);
      size_t size = 0;
      for (size_t i = 16; i-- > 12;) size = size << 8 | static_cast<uint8_t>(footer[i]);
      if (static_cast<uint8_t>(footer[23]) & 0x80) size += 32;  // it has a header too
      if (size >= 32 && size <= file.size()) file.remove_suffix(size);
    }
    while (!file.empty() && file.back() == '\0' && before - file.size() < 4096 && before != file.size())
      file.remove_suffix(1);
  }
  return file;
}

struct Tag {
  bool present = false;
  std::optional<uint32_t> frames;
};

Tag find_tag(std::string_view frame, const Frame& f) {
  constexpr size_t kVbriAt{36};
  if (f.bytes >= kVbriAt + 4 && frame.substr(kVbriAt, 4) == "VBRI") return {.present = true, .frames = {}};
  if (f.bytes < f.side + 12) return {};
  const std::string_view name = frame.substr(f.side, 4);
  if (name != "Xing" && name != "Info") return {};
  if ((big_endian(frame, f.side + 4) & 1) == 0) return {.present = true, .frames = {}};
  return {.present = true, .frames = big_endian(frame, f.side + 8)};
}

std::string count_frame(const Frame& like, int64_t frames) {
  // The highest bit rate gives room for the tag at every sample rate; no CRC, no padding.
  const uint32_t bits = (like.bits & ~0xf200u) | 0xe000u | 0x10000u;
  std::string out;
  const auto append = [&out](uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
  };
  append(bits);
  const Frame f = *parse_frame(out);
  out.resize(f.side, '\0');
  out += "Info";
  append(1);
  append(static_cast<uint32_t>(frames));
  out.resize(f.bytes, '\0');
  return out;
}

struct Walk {
  Frame first{};
  int64_t frames = 0;
};

Walk walk_frames(std::string_view audio, size_t offset, const std::string& origin) {
  Walk walk;
  for (size_t at = 0; at < audio.size(); ++walk.frames) {
    const std::optional<Frame> f = parse_frame(audio.substr(at));
    check(f.has_value(), Exit::bad_input,
          "{}: byte {}: expected a frame of MPEG layer III, got something else", origin, offset + at);
    if (at == 0) walk.first = *f;
    check(((f->bits ^ walk.first.bits) & kConstant) == 0, Exit::bad_input,
          "{}: byte {}: expected a frame like the first one, got another version or sample rate", origin,
          offset + at);
    check(f->bytes <= audio.size() - at, Exit::bad_input,
          "{}: frame at byte {}: expected {} bytes, got {}; the file is truncated", origin, offset + at,
          f->bytes, audio.size() - at);
    check(walk.frames * f->samples <= limits::kClipSeconds * f->rate_hz, Exit::bad_input,
          "{}: expected at most {} seconds of audio, got more; cut the clip", origin,
          limits::kClipSeconds.value);
    at += f->bytes;
  }
  check(walk.frames > 0, Exit::bad_input, "{}: expected samples, got none", origin);
  return walk;
}

}  // namespace

bool is_mp3(std::span<const std::byte> bytes) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return file.starts_with("ID3") || parse_frame(file).has_value();
}

std::vector<std::byte> counted_mp3(std::span<const std::byte> bytes, const std::string& origin) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t begin = leading_bytes(file, origin);
  std::string_view audio = without_trailing_tags(file.substr(begin));
  const Walk walk = walk_frames(audio, begin, origin);
  const Tag tag = find_tag(audio, walk.first);
  std::string count;
  if (tag.frames) {  // most encoders do not count the frame of the tag itself, some do
    check(*tag.frames == walk.frames - 1 || *tag.frames == walk.frames, Exit::bad_input,
          "{}: expected {} frames, got {}; the file is truncated or damaged", origin, *tag.frames,
          walk.frames - 1);
  } else {
    count = count_frame(walk.first, walk.frames - (tag.present ? 1 : 0));
    if (tag.present) audio.remove_prefix(walk.first.bytes);
  }
  std::vector<std::byte> out(count.size() + audio.size());
  const auto to_byte = [](char c) { return static_cast<std::byte>(c); };
  std::transform(audio.begin(), audio.end(), std::transform(count.begin(), count.end(), out.begin(), to_byte),
                 to_byte);
  return out;
}

}  // namespace tts
