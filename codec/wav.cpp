#include "codec/wav.h"

#include "base/error.h"
#include "base/limits.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

namespace tts {

namespace {

constexpr uint32_t kStreamed{0xffffffff};
constexpr int kPcm{1}, kFloat{3}, kAlaw{6}, kUlaw{7}, kExtensible{0xfffe};
// The fixed part of the identifiers that tag 0xfffe puts behind the real tag.
constexpr std::string_view kSubformat{"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71", 14};

struct EncodingRow {
  int tag, bits;
  Encoding encoding;
};
constexpr EncodingRow kEncodings[] = {
    {kPcm, 8, Encoding::pcm_u8}, {kPcm, 16, Encoding::pcm16}, {kPcm, 24, Encoding::pcm24},
    {kPcm, 32, Encoding::pcm32}, {kFloat, 32, Encoding::f32}, {kFloat, 64, Encoding::f64},
    {kAlaw, 8, Encoding::alaw},  {kUlaw, 8, Encoding::ulaw},
};

struct Chunk {
  std::string_view name;
  uint32_t size;
  int64_t begin;  // of its bytes
};

// The bytes of a WAV file, read at checked places only.
struct Reader {
  std::string_view bytes;
  const std::string& origin;

  int64_t size() const { return static_cast<int64_t>(bytes.size()); }
  template <class T>
  T number(int64_t at) const {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      value = static_cast<T>(
          value | static_cast<T>(static_cast<T>(static_cast<uint8_t>(bytes[static_cast<size_t>(at) + i]))
                                 << (8 * i)));
    return value;
  }
  std::optional<Chunk> chunk(int64_t at) const {
    if (at + 8 > size()) return {};
    return Chunk{bytes.substr(static_cast<size_t>(at), 4), number<uint32_t>(at + 4), at + 8};
  }
  static int64_t end(const Chunk& c) { return c.begin + c.size + (c.size & 1); }

  // Does the rest of the file consist of whole chunks? Then a "data" chunk of size 0 before it is empty, not
  // streamed.
  bool chunks_to_the_end(int64_t at) const {
    while (const std::optional<Chunk> c = chunk(at)) {
      if (std::any_of(c->name.begin(), c->name.end(), [](char ch) { return ch < ' ' || ch > '~'; }))
        return false;
      at = end(*c);
    }
    return at == size();
  }
};

RawLayout parse_format(const Reader& file, const Chunk& chunk, int& bytes_per_frame) {
  const std::string& origin = file.origin;
  check(chunk.size >= 16, Exit::bad_input, "{}: fmt chunk: expected at least 16 bytes, got {}", origin,
        chunk.size);
  int tag = file.number<uint16_t>(chunk.begin);
  const int channels = file.number<uint16_t>(chunk.begin + 2);
  const int64_t rate = file.number<uint32_t>(chunk.begin + 4);
  const int frame = file.number<uint16_t>(chunk.begin + 12);
  const int bits = file.number<uint16_t>(chunk.begin + 14);
  if (tag == kExtensible) {
    check(chunk.size >= 40, Exit::bad_input, "{}: fmt chunk: expected at least 40 bytes, got {}", origin,
          chunk.size);
    const int used = file.number<uint16_t>(chunk.begin + 18);
    check(used >= 1 && used <= bits, Exit::bad_input, "{}: valid bits per sample: expected 1..{}, got {}",
          origin, bits, used);
    tag = file.number<uint16_t>(chunk.begin + 24);
    check(file.bytes.substr(static_cast<size_t>(chunk.begin + 26), 14) == kSubformat, Exit::bad_input,
          "{}: audio encoding: unknown identifier; expected PCM, float, A-law or u-law", origin);
  }
  check(channels >= 1 && channels <= limits::kClipChannels, Exit::bad_input,
        "{}: channels: expected 1..{}, got {}", origin, limits::kClipChannels.value, channels);
  check(rate >= limits::kClipMinRate && rate <= limits::kClipMaxRate, Exit::bad_input,
        "{}: sample rate: expected {}..{} Hz, got {}", origin, limits::kClipMinRate.value,
        limits::kClipMaxRate.value, rate);
  const auto* row = std::find_if(std::begin(kEncodings), std::end(kEncodings),
                                 [&](const EncodingRow& r) { return r.tag == tag && r.bits == bits; });
  check(row != std::end(kEncodings), Exit::bad_input,
        "{}: audio encoding: expected PCM of 8, 16, 24 or 32 bits, float of 32 or 64, A-law or u-law of 8, "
        "got tag {} with {} bits",
        origin, tag, bits);
  check(frame == channels * bits / 8, Exit::bad_input, "{}: bytes per frame: expected {}, got {}", origin,
        channels * bits / 8, frame);
  bytes_per_frame = frame;
  return {row->encoding, channels, static_cast<int>(rate)};
}

// Bytes of the "data" chunk, from its own size, the 64-bit one, or what is there when it was streamed.
int64_t data_bytes(const Reader& file, const Chunk& chunk, std::optional<uint64_t> long_size) {
  const int64_t there = file.size() - chunk.begin;
  if (chunk.size == kStreamed && !long_size) return there;
  if (chunk.size == 0) return file.chunks_to_the_end(chunk.begin) ? 0 : there;
  const uint64_t size = chunk.size == kStreamed ? *long_size : chunk.size;
  check(size <= static_cast<uint64_t>(there), Exit::bad_input,
        "{}: data chunk: expected {} bytes, got {}; the file is truncated", file.origin, size, there);
  return static_cast<int64_t>(size);
}

// The size that the file begins with; returns the 64-bit size of "data" when it is an RF64 file.
std::optional<uint64_t> check_riff(const Reader& file) {
  uint64_t riff = file.number<uint32_t>(4);
  std::optional<uint64_t> data;
  if (file.bytes.starts_with("RF64")) {
    const std::optional<Chunk> sizes = file.chunk(12);
    check(sizes && sizes->name == "ds64" && sizes->size >= 24 && Reader::end(*sizes) <= file.size(),
          Exit::bad_input, "{}: RF64: expected a whole ds64 chunk at the beginning", file.origin);
    riff = file.number<uint64_t>(sizes->begin);
    data = file.number<uint64_t>(sizes->begin + 8);
  }
  const bool streamed = riff == 0 || riff == kStreamed;
  check(streamed || riff <= static_cast<uint64_t>(file.size() - 8), Exit::bad_input,
        "{}: expected {} bytes after the first 8, got {}; the file is truncated", file.origin, riff,
        file.size() - 8);
  return data;
}

void append_number(std::string& out, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

const EncodingRow& row_of(Encoding encoding) {
  for (const EncodingRow& row : kEncodings)
    if (row.encoding == encoding) return row;
  throw Error(Exit::internal, "WAV: no tag for {}", str(encoding));
}

int64_t header_bytes(Encoding encoding) { return row_of(encoding).tag == kPcm ? 44 : 58; }

}  // namespace

bool is_wav(std::span<const std::byte> bytes) {
  if (bytes.size() < 12) return false;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), 12);
  return (text.starts_with("RIFF") || text.starts_with("RF64")) && text.ends_with("WAVE");
}

WavFile parse_wav(std::span<const std::byte> bytes, const std::string& origin) {
  const Reader file{{reinterpret_cast<const char*>(bytes.data()), bytes.size()}, origin};
  const std::optional<uint64_t> long_size = check_riff(file);
  WavFile wav{};
  for (int64_t at = 12;;) {
    const std::optional<Chunk> c = file.chunk(at);
    check(c.has_value(), Exit::bad_input, "{}: expected a {} chunk, got the end of the file", origin,
          wav.bytes_per_frame == 0 ? "fmt" : "data");
    if (c->name == "data") {
      check(wav.bytes_per_frame != 0, Exit::bad_input, "{}: expected a fmt chunk before the data chunk",
            origin);
      const int64_t size = data_bytes(file, *c, long_size);
      check(size % wav.bytes_per_frame == 0, Exit::bad_input,
            "{}: data chunk: expected a multiple of {} bytes, got {}; the last sample is cut", origin,
            wav.bytes_per_frame, size);
      wav.data = bytes.subspan(static_cast<size_t>(c->begin), static_cast<size_t>(size));
      return wav;
    }
    check(c->begin + c->size <= file.size(), Exit::bad_input,
          "{}: {} chunk: expected {} bytes, got {}; the file is truncated", origin, printable(c->name),
          c->size, file.size() - c->begin);
    if (c->name == "fmt ") {
      check(wav.bytes_per_frame == 0, Exit::bad_input, "{}: expected one fmt chunk, got two", origin);
      wav.layout = parse_format(file, *c, wav.bytes_per_frame);
    }
    at = Reader::end(*c);
  }
}

std::string wav_header(Encoding encoding, int rate_hz, int64_t data_bytes) {
  const EncodingRow& row = row_of(encoding);
  const int frame = row.bits / 8;
  const auto header = static_cast<uint32_t>(header_bytes(encoding));
  const bool pcm = row.tag == kPcm;
  const auto data = data_bytes < 0 ? kStreamed : static_cast<uint32_t>(data_bytes);
  std::string out = "RIFF";
  append_number(out, data_bytes < 0 ? kStreamed : header - 8 + data + (data & 1), 4);
  out += "WAVEfmt ";
  append_number(out, pcm ? 16 : 18, 4);
  append_number(out, static_cast<uint32_t>(row.tag), 2);
  append_number(out, 1, 2);
  append_number(out, static_cast<uint32_t>(rate_hz), 4);
  append_number(out, static_cast<uint32_t>(rate_hz * frame), 4);
  append_number(out, static_cast<uint32_t>(frame), 2);
  append_number(out, static_cast<uint32_t>(row.bits), 2);
  if (!pcm) {
    append_number(out, 0, 2);  // no more format bytes
    out += "fact";
    append_number(out, 4, 4);
    append_number(out, data_bytes < 0 ? kStreamed : data / static_cast<uint32_t>(frame), 4);
  }
  out += "data";
  append_number(out, data, 4);
  return out;
}

int64_t wav_data_limit(Encoding encoding) {
  return static_cast<int64_t>(std::numeric_limits<uint32_t>::max()) - 1 - header_bytes(encoding);
}

}  // namespace tts
