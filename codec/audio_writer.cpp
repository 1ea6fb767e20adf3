// samples -> (resampler) -> WAV and raw: our own bytes; FLAC, Ogg, MP3: libsndfile -> sink.
#include "codec/audio_writer.h"

#include "base/limits.h"
#include "codec/resample.h"
#include "codec/sound_file.h"
#include "codec/wav.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <optional>
#include <system_error>

namespace tts {

namespace {

enum class Layout : uint8_t { wav, bare, flac, ogg, mpeg };

struct FormatRow {
  AudioFormat format;
  std::string_view name, extension;
  Layout layout;
  Encoding encoding;
};
constexpr FormatRow kFormats[] = {
    {AudioFormat::wav, "wav", "wav", Layout::wav, Encoding::pcm16},
    {AudioFormat::wav24, "wav24", "wav", Layout::wav, Encoding::pcm24},
    {AudioFormat::wavf32, "wavf32", "wav", Layout::wav, Encoding::f32},
    {AudioFormat::flac, "flac", "flac", Layout::flac, Encoding::pcm16},
    {AudioFormat::ogg, "ogg", "ogg", Layout::ogg, Encoding::vorbis},
    {AudioFormat::opus, "opus", "opus", Layout::ogg, Encoding::opus},
    {AudioFormat::mp3, "mp3", "mp3", Layout::mpeg, Encoding::layer3},
    {AudioFormat::raw, "raw", "raw", Layout::bare, Encoding::pcm16},
};
// libsndfile encodes the last 20 ms of Opus badly unless they are silent (clicks of half the full scale were
// measured), so 1/40 s of silence follows the speech.
constexpr int kOpusTail{40};
constexpr int kOpusRates[] = {8'000, 12'000, 16'000, 24'000, 48'000};
constexpr int kMp3Rates[] = {8'000, 11'025, 12'000, 16'000, 22'050, 24'000, 32'000, 44'100, 48'000};

const FormatRow& row_of(AudioFormat kind) { return kFormats[static_cast<size_t>(kind)]; }

Container container_of(const FormatRow& row) {
  return row.layout == Layout::flac  ? Container::flac
         : row.layout == Layout::ogg ? Container::ogg
                                     : Container::mpeg;
}
bool is_encoded(const FormatRow& row) { return row.layout != Layout::wav && row.layout != Layout::bare; }

std::string joined_names() {
  std::string out;
  for (const FormatRow& row : kFormats) out += format("{}{}", out.empty() ? "" : ", ", row.name);
  return out;
}

void check_rate(AudioFormat kind, std::span<const int> rates, int rate_hz) {
  if (std::find(rates.begin(), rates.end(), rate_hz) != rates.end()) return;
  std::string known;
  for (const int rate : rates) known += tts::format("{}{}", known.empty() ? "" : ", ", rate);
  throw Error(Exit::usage, "--rate: {} expects one of {} Hz, got {}", str(kind), known, rate_hz);
}

void write_standard_output(const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::write(STDOUT_FILENO, at, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) {  // someone else made it non-blocking
      pollfd ready{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
      poll(&ready, 1, -1);
      continue;
    }
    check(done > 0, Exit::output, "standard output: cannot be written: {}",
          std::generic_category().message(done == 0 ? ENOSPC : errno));
    at += done;
    bytes -= static_cast<size_t>(done);
  }
}

// The bytes' way out. On a stream, what an encoder would change in its header afterwards stays as it was
// sent.
struct Sink {
  std::optional<FileWriter> file;  // none: standard output
  int64_t end = 0;

  bool seekable() const { return file && file->seekable(); }
  void put(int64_t offset, const void* data, size_t bytes) {
    if (seekable()) {
      file->write_at(offset, data, bytes);
    } else if (offset == end) {
      file ? file->write(data, bytes) : write_standard_output(data, bytes);
    } else {
      return;
    }
    end = std::max(end, offset + static_cast<int64_t>(bytes));
  }
};

int16_t to_16_bits(float x) { return static_cast<int16_t>(std::lrint(std::clamp<double>(x, -1, 1) * 32767)); }

void append_sample(std::string& out, float x, Encoding encoding) {
  uint32_t bits = 0;
  int bytes = 2;
  if (encoding == Encoding::pcm16) {
    bits = static_cast<uint16_t>(to_16_bits(x));
  } else if (encoding == Encoding::pcm24) {
    bits = static_cast<uint32_t>(std::lrint(std::clamp<double>(x, -1, 1) * 8'388'607));
    bytes = 3;
  } else {
    bits = std::bit_cast<uint32_t>(x);
    bytes = 4;
  }
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(bits >> (8 * i) & 0xff);
}

}  // namespace

// ---- formats ----------------------------------------------------------------------------------------------

std::string_view str(AudioFormat kind) { return row_of(kind).name; }
std::string_view extension(AudioFormat kind) { return row_of(kind).extension; }

std::vector<std::string_view> audio_format_names() {
  std::vector<std::string_view> names;
  for (const FormatRow& row : kFormats) names.push_back(row.name);
  return names;
}

AudioFormat choose_audio_format(std::string_view path, std::string_view name) {
  if (!name.empty()) {
    for (const FormatRow& row : kFormats)
      if (row.name == name) return row.format;
    throw Error(Exit::usage, "--format: expected one of {}, got {}", joined_names(), name);
  }
  if (path == "-") return AudioFormat::wav;
  const std::string_view file = path.substr(path.rfind('/') + 1);
  const size_t dot = file.rfind('.');
  std::string ending(dot == file.npos ? "" : file.substr(dot + 1));
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  for (const FormatRow& row : kFormats)
    if (row.extension == ending) return row.format;
  throw Error(Exit::usage, "{}: unknown extension of an audio file; choose with --format one of {}", path,
              joined_names());
}

void check_audio_output(AudioFormat kind, int rate_hz) {
  const FormatRow& row = row_of(kind);
  check(!is_encoded(row) || SoundEncoder::available(container_of(row), row.encoding), Exit::usage,
        "--format: {} is not among the formats that the installed libsndfile can write; choose wav or raw",
        row.name);
  check(rate_hz >= limits::kClipMinRate && rate_hz <= limits::kClipMaxRate, Exit::usage,
        "--rate: expected {}..{} Hz, got {}", limits::kClipMinRate.value, limits::kClipMaxRate.value,
        rate_hz);
  if (kind == AudioFormat::opus) check_rate(kind, kOpusRates, rate_hz);
  if (kind == AudioFormat::mp3) check_rate(kind, kMp3Rates, rate_hz);
}

// ---- writing ----------------------------------------------------------------------------------------------

struct AudioWriter::State {
  std::string name;  // for messages
  const FormatRow& row;
  int rate_hz;  // of the output
  Resampler resampler;
  Sink sink;
  std::optional<SoundEncoder> encoder;
  bool begun = false, ended = false;
  int64_t samples = 0, clamped = 0;
  int64_t data_bytes = 0;  // of WAV and raw
  std::string bytes;
  std::vector<int16_t> whole;

  State(const std::string& path, const AudioOutput& output)
      : name(path == "-" ? "standard output" : path),
        row(row_of(output.format)),
        rate_hz(output.output_rate_hz == 0 ? output.rate_hz : output.output_rate_hz),
        resampler(output.rate_hz, rate_hz) {
    check_audio_output(row.format, rate_hz);
    if (path != "-") sink.file.emplace(path, output.existing);
    check(path != "-" || isatty(STDOUT_FILENO) == 0, Exit::usage,
          "standard output: audio is not written to a terminal; use -o FILE or a pipe");
  }

  // The header goes out with the first sample: who is cancelled before it leaves nothing.
  void begin() {
    if (std::exchange(begun, true)) return;
    if (row.layout == Layout::wav) {
      const std::string header = wav_header(row.encoding, rate_hz, -1);
      sink.put(0, header.data(), header.size());
    }
    if (is_encoded(row))
      encoder.emplace(
          container_of(row), row.encoding, rate_hz, name,
          [this](int64_t offset, const void* data, size_t count) { sink.put(offset, data, count); });
  }

  void put(std::span<const float> block) {
    if (block.empty()) return;
    begin();
    if (row.layout == Layout::flac) {
      whole.resize(block.size());
      std::transform(block.begin(), block.end(), whole.begin(), to_16_bits);
      encoder->write(whole);
    } else if (encoder) {
      encoder->write(block);
    } else {
      put_plain(block);
    }
  }

  void put_plain(std::span<const float> block) {
    bytes.clear();
    for (const float x : block) append_sample(bytes, x, row.encoding);
    data_bytes += static_cast<int64_t>(bytes.size());
    check(row.layout == Layout::bare || !sink.seekable() || data_bytes <= wav_data_limit(row.encoding),
          Exit::output, "{}: a WAV file holds at most {} bytes of samples; use --format flac", name,
          wav_data_limit(row.encoding));
    sink.put(sink.end, bytes.data(), bytes.size());
  }

  void end() {
    check(!std::exchange(ended, true), Exit::internal, "{}: the audio file is finished already", name);
    put(resampler.finish());
    begin();
    if (row.encoding == Encoding::opus) put(std::vector<float>(static_cast<size_t>(rate_hz / kOpusTail)));
    if (encoder) encoder->finish();
    if (row.layout != Layout::wav) return;
    if (data_bytes % 2 != 0) sink.put(sink.end, "", 1);  // chunks have an even number of bytes
    if (!sink.seekable()) return;
    const std::string header = wav_header(row.encoding, rate_hz, data_bytes);
    sink.put(0, header.data(), header.size());
  }
};

AudioWriter::AudioWriter(const std::string& path, const AudioOutput& output)
    : state_(std::make_unique<State>(path, output)) {}
AudioWriter::AudioWriter(AudioWriter&&) noexcept = default;
AudioWriter::~AudioWriter() = default;

void AudioWriter::write(std::span<const float> samples) {
  State& s = *state_;
  check(!s.ended, Exit::internal, "{}: the audio file is finished already", s.name);
  int64_t clamped = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    check(std::isfinite(samples[i]), Exit::internal, "{}: sample {}: expected a finite number, got {}",
          s.name, s.samples + static_cast<int64_t>(i), samples[i]);
    clamped += std::fabs(samples[i]) > 1;
  }
  s.samples += static_cast<int64_t>(samples.size());
  s.clamped += clamped;
  s.put(s.resampler.push(samples));
}

void AudioWriter::finish() {
  state_->end();
  if (state_->sink.file) state_->sink.file->commit();
}

void AudioWriter::finish_as(const std::string& path) {
  state_->end();
  if (state_->sink.file) state_->sink.file->commit_as(path);
}

void AudioWriter::discard() {
  State& s = *state_;
  s.ended = true;
  s.encoder.reset();
  if (s.sink.file) s.sink.file->discard();
}

bool AudioWriter::is_file() const { return state_->sink.seekable(); }
int64_t AudioWriter::samples() const { return state_->samples; }
int64_t AudioWriter::clamped() const { return state_->clamped; }

}  // namespace tts
