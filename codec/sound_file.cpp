// Both directions go through libsndfile's virtual files. Its callbacks are C: an exception of ours is kept
// there and thrown when libsndfile has returned.
#include "codec/sound_file.h"

#include "base/error.h"

#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <exception>

namespace tts {

namespace {

struct FormatRow {
  Encoding encoding;
  int subtype;
  std::string_view name;
};
constexpr FormatRow kEncodings[] = {
    {Encoding::pcm8, SF_FORMAT_PCM_S8, "8-bit PCM"},
    {Encoding::pcm_u8, SF_FORMAT_PCM_U8, "8-bit PCM"},
    {Encoding::pcm16, SF_FORMAT_PCM_16, "16-bit PCM"},
    {Encoding::pcm24, SF_FORMAT_PCM_24, "24-bit PCM"},
    {Encoding::pcm32, SF_FORMAT_PCM_32, "32-bit PCM"},
    {Encoding::f32, SF_FORMAT_FLOAT, "32-bit float"},
    {Encoding::f64, SF_FORMAT_DOUBLE, "64-bit float"},
    {Encoding::ulaw, SF_FORMAT_ULAW, "u-law"},
    {Encoding::alaw, SF_FORMAT_ALAW, "A-law"},
    {Encoding::vorbis, SF_FORMAT_VORBIS, "Vorbis"},
    {Encoding::opus, SF_FORMAT_OPUS, "Opus"},
    {Encoding::layer3, SF_FORMAT_MPEG_LAYER_III, "MPEG layer III"},
};

int format_of(Container container) {
  switch (container) {
    case Container::raw:
      return SF_FORMAT_RAW;
    case Container::flac:
      return SF_FORMAT_FLAC;
    case Container::ogg:
      return SF_FORMAT_OGG;
    case Container::mpeg:
      return SF_FORMAT_MPEG;
  }
  throw Error(Exit::internal, "unknown audio container");
}

int format_of(Encoding encoding) {
  for (const FormatRow& row : kEncodings)
    if (row.encoding == encoding) return row.subtype;
  throw Error(Exit::internal, "unknown audio encoding");
}

Encoding encoding_of(int bits_of_format) {
  for (const FormatRow& row : kEncodings)
    if (row.subtype == (bits_of_format & SF_FORMAT_SUBMASK)) return row.encoding;
  return Encoding::other;
}

// A position that callbacks move; false when it would leave the file.
bool seek(int64_t& at, sf_count_t offset, int whence, int64_t size) {
  const int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? at : size;
  int64_t to = 0;
  if (__builtin_add_overflow(base, offset, &to) || to < 0) return false;
  at = to;
  return true;
}

}  // namespace

std::string_view str(Encoding encoding) {
  for (const FormatRow& row : kEncodings)
    if (row.encoding == encoding) return row.name;
  return "another encoding";
}

// ---- decoding ---------------------------------------------------------------------------------------------

struct SoundDecoder::State {
  std::span<const std::byte> bytes;
  int64_t at = 0;
  std::string origin;
  Container container;
  SNDFILE* file = nullptr;
  SF_INFO info{};

  int64_t size() const { return static_cast<int64_t>(bytes.size()); }
  sf_count_t read_bytes(void* to, sf_count_t count) {
    const int64_t got = std::clamp<int64_t>(size() - at, 0, std::max<sf_count_t>(count, 0));
    if (got > 0) std::memcpy(to, bytes.data() + at, static_cast<size_t>(got));
    at += got;
    return got;
  }
  ~State() {
    if (file != nullptr) sf_close(file);
  }
};

SoundDecoder::SoundDecoder(std::span<const std::byte> bytes, Container container, const std::string& origin,
                           const RawLayout* raw)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.bytes = bytes;
  s.origin = origin;
  s.container = container;
  if (raw != nullptr) {
    s.info.format = SF_FORMAT_RAW | format_of(raw->encoding) | SF_ENDIAN_LITTLE;
    s.info.channels = raw->channels;
    s.info.samplerate = raw->rate_hz;
  }
  SF_VIRTUAL_IO io{};
  io.get_filelen = [](void* user) -> sf_count_t { return static_cast<State*>(user)->size(); };
  io.seek = [](sf_count_t offset, int whence, void* user) -> sf_count_t {
    auto& state = *static_cast<State*>(user);
    return seek(state.at, offset, whence, state.size()) ? state.at : -1;
  };
  io.read = [](void* to, sf_count_t count, void* user) {
    return static_cast<State*>(user)->read_bytes(to, count);
  };
  io.write = [](const void*, sf_count_t, void*) -> sf_count_t { return 0; };
  io.tell = [](void* user) -> sf_count_t { return static_cast<State*>(user)->at; };
  s.file = sf_open_virtual(&io, SFM_READ, &s.info, &s);
  check(s.file != nullptr, Exit::bad_input, "{}: cannot be read as audio: {}", origin, sf_strerror(nullptr));
  check((s.info.format & SF_FORMAT_TYPEMASK) == format_of(container), Exit::bad_input,
        "{}: the beginning and the rest of the file are of different audio formats", origin);
}

SoundDecoder::SoundDecoder(SoundDecoder&&) noexcept = default;
SoundDecoder::~SoundDecoder() = default;

Container SoundDecoder::container() const { return state_->container; }
Encoding SoundDecoder::encoding() const { return encoding_of(state_->info.format); }
int SoundDecoder::channels() const { return state_->info.channels; }
int SoundDecoder::rate_hz() const { return state_->info.samplerate; }

int64_t SoundDecoder::declared_frames() const {
  const sf_count_t frames = state_->info.frames;
  return frames <= 0 || frames == SF_COUNT_MAX ? -1 : frames;
}

int64_t SoundDecoder::read(std::span<float> samples) {
  State& s = *state_;
  const auto frames = static_cast<sf_count_t>(samples.size()) / s.info.channels;
  const sf_count_t got = sf_readf_float(s.file, samples.data(), frames);
  check(sf_error(s.file) == SF_ERR_NO_ERROR, Exit::bad_input, "{}: cannot be decoded: {}", s.origin,
        sf_strerror(s.file));
  return got;
}

// ---- encoding ---------------------------------------------------------------------------------------------

struct SoundEncoder::State {
  ByteSink sink;
  std::string origin;
  int64_t at = 0, size = 0;
  std::exception_ptr failure;  // of the sink; from then on nothing is written
  SNDFILE* file = nullptr;

  // Always successful for libsndfile: on its own ways out of a failed write it loses the encoder's memory.
  sf_count_t write_bytes(const void* from, sf_count_t count) {
    try {
      if (!failure && sink && count > 0) sink(at, from, static_cast<size_t>(count));
    } catch (...) {
      failure = std::current_exception();
    }
    at += count;
    size = std::max(size, at);
    return count;
  }
  void rethrow() {
    if (failure) std::rethrow_exception(failure);
  }
  void require(bool good, const char* why) {
    rethrow();
    check(good, Exit::output, "{}: cannot be encoded: {}", origin, why);
  }
  ~State() {
    sink = nullptr;  // closing writes trailers, which nobody wants any more
    if (file != nullptr) sf_close(file);
  }
};

bool SoundEncoder::available(Container container, Encoding encoding) {
  SF_INFO info{};
  info.channels = 1;
  info.samplerate = 24'000;  // one that every encoder knows
  info.format = format_of(container) | format_of(encoding);
  return sf_format_check(&info) != 0;
}

SoundEncoder::SoundEncoder(Container container, Encoding encoding, int rate_hz, const std::string& origin,
                           ByteSink sink)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.sink = std::move(sink);
  s.origin = origin;
  SF_INFO info{};
  info.channels = 1;
  info.samplerate = rate_hz;
  info.format = format_of(container) | format_of(encoding);
  SF_VIRTUAL_IO io{};
  io.get_filelen = [](void* user) -> sf_count_t { return static_cast<State*>(user)->size; };
  io.seek = [](sf_count_t offset, int whence, void* user) -> sf_count_t {
    auto& state = *static_cast<State*>(user);
    return seek(state.at, offset, whence, state.size) ? state.at : -1;
  };
  io.read = [](void*, sf_count_t, void*) -> sf_count_t { return 0; };
  io.write = [](const void* from, sf_count_t count, void* user) {
    return static_cast<State*>(user)->write_bytes(from, count);
  };
  io.tell = [](void* user) -> sf_count_t { return static_cast<State*>(user)->at; };
  s.file = sf_open_virtual(&io, SFM_WRITE, &info, &s);
  s.require(s.file != nullptr, sf_strerror(nullptr));
  sf_command(s.file, SFC_SET_CLIPPING, nullptr, SF_TRUE);
}

SoundEncoder::SoundEncoder(SoundEncoder&&) noexcept = default;
SoundEncoder::~SoundEncoder() = default;

void SoundEncoder::write(std::span<const float> samples) {
  const auto count = static_cast<sf_count_t>(samples.size());
  state_->require(sf_write_float(state_->file, samples.data(), count) == count, sf_strerror(state_->file));
}

void SoundEncoder::write(std::span<const int16_t> samples) {
  const auto count = static_cast<sf_count_t>(samples.size());
  state_->require(sf_write_short(state_->file, samples.data(), count) == count, sf_strerror(state_->file));
}

void SoundEncoder::finish() {
  const int error = sf_close(std::exchange(state_->file, nullptr));
  state_->require(error == SF_ERR_NO_ERROR, sf_error_number(error));
}

}  // namespace tts
