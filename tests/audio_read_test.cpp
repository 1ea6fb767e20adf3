// Reference clips: what is read, and what is refused with which words.
#include "audio_clips.h"
#include "base/file.h"
#include "base/limits.h"
#include "catch.h"
#include "codec/audio_io.h"
#include "process.h"
#include "recorded.h"
#include "refusal.h"
#include "temp_directory.h"

#include <bit>
#include <cmath>
#include <functional>
#include <limits>

using namespace tts;
using namespace tts::test;

namespace {

constexpr std::string_view kPcmIdentifier{"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71", 14};

struct Bad {
  std::string name, bytes, message;  // message "": any
};

std::string with(std::function<void(WavSpec&)> change) {
  WavSpec spec;
  change(spec);
  return wav_bytes(spec);
}

std::string patched(std::string bytes, size_t at, std::string_view with) {
  return bytes.replace(at, with.size(), with);
}

std::string floats(std::vector<float> values) {
  std::string out;
  for (const float x : values) out += number(std::bit_cast<uint32_t>(x), 4);
  return with([&](WavSpec& s) { s.tag = 3, s.bits = 32, s.data = out; });
}

std::string doubles(double value) {
  return with(
      [&](WavSpec& s) { s.tag = 3, s.bits = 64, s.data = number(std::bit_cast<uint64_t>(value), 8); });
}

constexpr std::string_view kEncoding{
    "clip: audio encoding: expected PCM of 8, 16, 24 or 32 bits, float of 32 or 64, A-law or u-law of 8, got "
    "tag "};

std::string encoding(std::string_view rest) { return std::string(kEncoding) + std::string(rest); }

std::vector<Bad> bad_wav_files() {
  const std::string good = with([](WavSpec&) {});
  std::vector<Bad> cases = {
      {"no bytes", "", "clip: the file is empty"},
      {"one byte", "R", "clip: unknown audio format; expected WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3"},
      {"8 bytes", good.substr(0, 8),
       "clip: unknown audio format; expected WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3"},
      {"12 bytes", patched(good.substr(0, 12), 4, number(4, 4)),
       "clip: expected a fmt chunk, got the end of the file"},
      {"AVI", patched(good, 8, "AVI "),
       "clip: unknown audio format; expected WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3"},
      {"big-endian", patched(good, 0, "RIFX"),
       "clip: unknown audio format; expected WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3"},
      {"AIFF", "FORM" + number(100, 4) + "AIFFCOMM",
       "clip: unknown audio format; expected WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3"},
      {"text", "RIFF is a word",
       "clip: unknown audio format; expected WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3"},
      {"no fmt", "RIFF" + number(16, 4) + "WAVE" + chunk("data", "abcd"),
       "clip: expected a fmt chunk before the data chunk"},
      {"no data", good.substr(0, 36),
       "clip: expected 4036 bytes after the first 8, got 28; the file is truncated"},
      {"no data, streamed", patched(good.substr(0, 36), 4, number(0, 4)),
       "clip: expected a data chunk, got the end of the file"},
      {"two fmt", with([](WavSpec& s) { s.before_data = chunk("fmt ", std::string(16, '\1')); }),
       "clip: expected one fmt chunk, got two"},
      {"RIFF 0x7fffffff", with([](WavSpec& s) { s.riff_size = 0x7fffffff; }),
       "clip: expected 2147483647 bytes after the first 8, got 4036; the file is truncated"},
      {"data 0x7fffffff", with([](WavSpec& s) { s.data_size = 0x7fffffff; }),
       "clip: data chunk: expected 2147483647 bytes, got 4000; the file is truncated"},
      {"data one byte short", good.substr(0, good.size() - 1),
       "clip: expected 4036 bytes after the first 8, got 4035; the file is truncated"},
      {"data short, RIFF streamed", patched(good.substr(0, good.size() - 2), 4, number(0, 4)),
       "clip: data chunk: expected 4000 bytes, got 3998; the file is truncated"},
      {"LIST beyond the end",
       with([](WavSpec& s) { s.before_data = "LIST" + number(0xfffffff0, 4) + "abcd"; }),
       "clip: LIST chunk: expected 4294967280 bytes, got 4012; the file is truncated"},
      {"fmt beyond the end", with([](WavSpec& s) { s.format_size = 0xffffff; }),
       "clip: fmt  chunk: expected 16777215 bytes, got 4024; the file is truncated"},
      {"fmt of 14 bytes", with([](WavSpec& s) { s.format_size = 14; }),
       "clip: fmt chunk: expected at least 16 bytes, got 14"},
      {"odd LIST without its zero", with([](WavSpec& s) { s.before_data = "LIST" + number(3, 4) + "abc"; }),
       ""},
      {"part of a frame", with([](WavSpec& s) { s.data = std::string(4'001, '\1'); }),
       "clip: data chunk: expected a multiple of 2 bytes, got 4001; the last sample is cut"},
      {"part of a frame, streamed", with([](WavSpec& s) {
         s.data_size = 0xffffffff, s.riff_size = 0, s.channels = 2, s.data.resize(4'002);
       }),
       "clip: data chunk: expected a multiple of 4 bytes, got 4002; the last sample is cut"},
      {"no samples", with([](WavSpec& s) { s.data.clear(); }), "clip: expected samples, got none"},
      {"no samples, LIST behind",
       with([](WavSpec& s) { s.data.clear(), s.after_data = chunk("LIST", "INFOabcd"); }),
       "clip: expected samples, got none"},
  };
  for (const int channels : {0, 9, 65'535})
    cases.push_back({format("{} channels", channels),
                     with([&](WavSpec& s) { s.channels = channels, s.frame = channels * 2 & 0xffff; }),
                     format("clip: channels: expected 1..8, got {}", channels)});
  for (const int64_t rate :
       {int64_t{0}, int64_t{1}, int64_t{7'999}, int64_t{192'001}, int64_t{0x7fffffff}, int64_t{0xffffffff}})
    cases.push_back({format("rate {}", rate), with([&](WavSpec& s) { s.rate = rate; }),
                     format("clip: sample rate: expected 8000..192000 Hz, got {}", rate)});
  for (const int bits : {0, 1, 12, 15, 17, 20, 48, 64, 65'535})
    cases.push_back({format("{} bits", bits),
                     with([&](WavSpec& s) { s.bits = bits, s.frame = bits / 8 & 0xffff; }),
                     encoding(format("1 with {} bits", bits))});
  for (const int tag : {0, 2, 0x11, 0x31, 0x50, 0x55, 0x674f, 0xffff})  // ADPCM, GSM, MPEG, ... inside WAV
    cases.push_back({format("tag {}", tag), with([&](WavSpec& s) { s.tag = tag; }),
                     encoding(format("{} with 16 bits", tag))});
  for (const int frame : {0, 1, 3, 4, 65'535})
    cases.push_back({format("frame of {}", frame), with([&](WavSpec& s) { s.frame = frame; }),
                     format("clip: bytes per frame: expected 2, got {}", frame)});
  return cases;
}

std::vector<Bad> bad_extended_files() {
  const std::string tail(kPcmIdentifier);
  const auto extended = [&](const std::string& more) {
    return with([&](WavSpec& s) { s.tag = 0xfffe, s.format_more = more; });
  };
  const std::string rf64 = wav_bytes({.magic = "RF64",
                                      .riff_size = 0xffffffff,
                                      .before_format = ds64(4'072, 4'000),
                                      .data_size = 0xffffffff});
  return {
      {"float of 16 bits", with([](WavSpec& s) { s.tag = 3; }), encoding("3 with 16 bits")},
      {"A-law of 16 bits", with([](WavSpec& s) { s.tag = 6; }), encoding("6 with 16 bits")},
      {"extensible without more", extended(""), "clip: fmt chunk: expected at least 40 bytes, got 16"},
      {"extensible, 0 bits used", extended(extensible(0, 1, tail)),
       "clip: valid bits per sample: expected 1..16, got 0"},
      {"extensible, 17 bits used", extended(extensible(17, 1, tail)),
       "clip: valid bits per sample: expected 1..16, got 17"},
      {"extensible, ADPCM", extended(extensible(16, 2, tail)), encoding("2 with 16 bits")},
      {"extensible, unknown", extended(extensible(16, 1, std::string(14, 'x'))),
       "clip: audio encoding: unknown identifier; expected PCM, float, A-law or u-law"},
      {"NaN", floats({0, std::nanf(""), 0}), "clip: sample 1: expected a finite number, got nan"},
      {"infinity", floats({0, 0, std::numeric_limits<float>::infinity()}),
       "clip: sample 2: expected a finite number, got inf"},
      {"64-bit NaN", doubles(std::nan("")), "clip: sample 0: expected a finite number, got nan"},
      {"beyond 32-bit floats", doubles(1e300), "clip: sample 0: expected a finite number, got inf"},
      {"RF64 without ds64", patched(rf64, 12, "JUNK"),
       "clip: RF64: expected a whole ds64 chunk at the beginning"},
      {"RF64, short ds64", patched(rf64, 16, number(8, 4)),
       "clip: RF64: expected a whole ds64 chunk at the beginning"},
      {"RF64, data 2^63", patched(rf64, 28, number(uint64_t{1} << 63, 8)),
       "clip: data chunk: expected 9223372036854775808 bytes, got 4000; the file is truncated"},
      {"RF64, data 2^64-1", patched(rf64, 28, number(~uint64_t{0}, 8)),
       "clip: data chunk: expected 18446744073709551615 bytes, got 4000; the file is truncated"},
      {"RF64, size 2^62", patched(rf64, 20, number(uint64_t{1} << 62, 8)), ""},
      {"RF64, cut", rf64.substr(0, rf64.size() - 10), ""},
      {"61 seconds", with([](WavSpec& s) { s.rate = 8'000, s.data = std::string(61 * 16'000, '\0'); }),
       "clip: expected at most 60 seconds of audio, got more; cut the clip"},
      {"64 MiB of floats", with([](WavSpec& s) {
         s.rate = 192'000, s.channels = 8, s.data = std::string((4 << 20) * 8 + 16, '\0');
       }),
       "clip: expected at most 67108864 bytes of decoded audio, got more; cut the clip"},
  };
}

std::vector<Bad> bad_compressed_files() {
  const std::string flac = file_bytes(data_path("audio/s16.flac")),
                    vorbis = file_bytes(data_path("audio/vorbis.ogg")),
                    opus = file_bytes(data_path("audio/opus.ogg")),
                    mp3 = file_bytes(data_path("audio/layer3.mp3"));
  std::string flipped = vorbis;
  flipped[vorbis.size() / 2] = static_cast<char>(flipped[vorbis.size() / 2] ^ 1);
  return {
      {"FLAC, magic alone", "fLaC", ""},
      {"FLAC, header alone", flac.substr(0, 60), ""},
      {"FLAC, half", flac.substr(0, flac.size() / 2), ""},
      {"FLAC, last byte", flac.substr(0, flac.size() - 1), ""},
      {"FLAC, rate 0", patched(flac, 18, std::string("\0\0\2", 3)), ""},
      {"FLAC, 2^36 - 1 samples", patched(flac, 21, "\xff\xff\xff\xff\xff"), ""},
      {"FLAC, damaged frame", patched(flac, flac.size() / 2, std::string(64, '\xff')), ""},
      {"Ogg, magic alone", "OggS", "clip: Ogg page at byte 0: the file is truncated"},
      {"Ogg, half", vorbis.substr(0, vorbis.size() / 2), "clip: Ogg page at byte 58: the file is truncated"},
      {"Ogg, last byte", vorbis.substr(0, vorbis.size() - 1), ""},
      {"Ogg, damaged page", flipped, "clip: Ogg page at byte 58: wrong checksum, the file is damaged"},
      {"Ogg, a page missing", vorbis.substr(0, 58) + vorbis.substr(3'687),
       "clip: Ogg page at byte 58: expected page 1, got page 2"},
      {"Ogg, something behind", vorbis + "more",
       format("clip: byte {}: expected an Ogg page, got something else", vorbis.size())},
      {"Ogg, two files", vorbis + opus,
       format("clip: Ogg page at byte {}: expected one audio stream, got several", vorbis.size())},
      {"Opus, without its end", opus.substr(0, opus.rfind("OggS")),
       "clip: expected a last Ogg page, got the end of the file; the file is truncated"},
      {"MP3, header alone", mp3.substr(0, 4), ""},
      {"MP3, last byte", mp3.substr(0, mp3.size() - 1), ""},
      {"MP3, something inside", mp3.substr(0, mp3.size() / 2) + "xx" + mp3.substr(mp3.size() / 2), ""},
      {"MP3, a frame missing", mp3.substr(0, 1'488), ""},  // some encoders count the frame of the tag
      {"MP3, two frames missing", mp3.substr(0, 1'248),
       "clip: expected 5 frames, got 3; the file is truncated or damaged"},
      {"MP3, layer II", patched(mp3, 1, "\xf5"),
       "clip: unknown audio format; expected WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3"},
      {"MP3, tag alone", "ID3" + std::string("\4\0\0\0\0\0\2ab", 9), "clip: expected samples, got none"},
      {"MP3, tag beyond the end", "ID3" + std::string("\4\0\0\x7f\x7f\x7f\x7f", 7),
       "clip: ID3 tag: expected 268435465 bytes, got 10; the file is truncated"},
  };
}

size_t refuse_all(const std::vector<Bad>& cases) {
  for (const Bad& bad : cases) {
    INFO(bad.name);
    const Refusal c = refusal_of([&] { parse_audio(as_bytes(bad.bytes), "clip"); });
    CHECK(c.exit == Exit::bad_input);
    if (!bad.message.empty()) CHECK(c.message == bad.message);
    CHECK(c.message.starts_with("clip: "));
  }
  return cases.size();
}

std::vector<float> samples_of(const std::string& bytes) {
  return parse_audio(as_bytes(bytes), "clip").samples;
}

}  // namespace

TEST_CASE("malformed clips are refused") {
  const size_t tried =
      refuse_all(bad_wav_files()) + refuse_all(bad_extended_files()) + refuse_all(bad_compressed_files());
  CHECK(tried == 97);
}

TEST_CASE("every cut of every clip is refused or is the whole") {
  for (const std::string name : {"s16.wav", "rf64.wav", "s8.flac", "opus.ogg", "layer3.mp3"}) {
    const std::string bytes = file_bytes(data_path("audio/" + name));
    for (size_t size = 0; size < bytes.size(); size += 1 + size / 40) {
      INFO(name << " cut to " << size);
      CHECK(refusal_of([&] {
              parse_audio(as_bytes(std::string_view(bytes).substr(0, size)), "clip");
            }).exit == Exit::bad_input);
    }
  }
}

TEST_CASE("legal oddities are read") {
  const std::vector<float> want = samples_of(with([](WavSpec&) {}));
  REQUIRE(want.size() == 2'000);
  CHECK(want[5] == 257.0f / 32'768);
  const std::string odd = chunk("LIST", "abc"), tail(kPcmIdentifier);
  CHECK(samples_of(with([&](WavSpec& s) { s.before_data = odd; })) == want);
  CHECK(samples_of(with([&](WavSpec& s) { s.before_format = odd + chunk("JUNK", std::string(29, 'j')); })) ==
        want);
  CHECK(samples_of(with([&](WavSpec& s) { s.after_data = odd; })) == want);
  CHECK(samples_of(with([&](WavSpec& s) { s.riff_size = 0, s.data_size = 0; })) == want);
  CHECK(samples_of(with([&](WavSpec& s) { s.data_size = 0; })) == want);
  CHECK(samples_of(with([&](WavSpec& s) { s.riff_size = 0xffffffff, s.data_size = 0xffffffff; })) == want);
  CHECK(samples_of(with([&](WavSpec& s) { s.data_size = 0xffffffff; })) == want);
  CHECK(samples_of(with([&](WavSpec& s) { s.format_more = number(0, 2); })) == want);
  CHECK(samples_of(with([&](WavSpec& s) { s.tag = 0xfffe, s.format_more = extensible(16, 1, tail); })) ==
        want);
  CHECK(samples_of(with([&](WavSpec& s) { s.tag = 0xfffe, s.format_more = extensible(12, 1, tail); })) ==
        want);
  CHECK(samples_of(wav_bytes({.magic = "RF64",
                              .riff_size = 0xffffffff,
                              .before_format = ds64(4'072, 4'000),
                              .data_size = 0xffffffff})) == want);
  CHECK(samples_of(wav_bytes({.magic = "RF64", .riff_size = 0xffffffff, .before_format = ds64(0, 0)})) ==
        want);
  // The zero behind an odd number of bytes may be missing at the end of the file.
  const std::string odd_data =
      with([](WavSpec& s) { s.bits = 8, s.data.resize(1'999), s.riff_size = 36 + 1'999; });
  CHECK(samples_of(odd_data.substr(0, odd_data.size() - 1)).size() == 1'999);
}

TEST_CASE("channels are mixed to their mean") {
  std::string data;
  for (int i = 0; i < 100; ++i) data += number(0x4000, 2) + number(0xc000, 2) + number(0x2000, 2);
  const AudioClip clip =
      parse_audio(as_bytes(with([&](WavSpec& s) { s.channels = 3, s.data = data; })), "clip");
  CHECK(clip.channels == 3);
  CHECK(clip.samples == std::vector<float>(100, static_cast<float>(0.25 / 3)));
}

TEST_CASE("clipping is noticed, a single loud peak is not") {
  const auto clipped = [](std::vector<float> x) {
    return parse_audio(as_bytes(floats(std::move(x))), "clip").clipped;
  };
  CHECK_FALSE(clipped({0, 1, 1, 0, 1, -1, 0.5f}));
  CHECK(clipped({0, 1, 1, 1, 0}));
  CHECK(clipped({0, -1, -1.5f, -2, 0}));
}

TEST_CASE("files of every format that is read") {
  struct Row {
    std::string_view name, format;
    int rate, channels;
    bool exact;
  };
  constexpr Row rows[] = {
      {"u8.wav", "WAV, 8-bit PCM", 8'000, 1, true},
      {"s16.wav", "WAV, 16-bit PCM", 22'050, 2, true},
      {"s24.wav", "WAV, 24-bit PCM", 24'000, 3, true},
      {"s32.wav", "WAV, 32-bit PCM", 16'000, 1, true},
      {"f32.wav", "WAV, 32-bit float", 24'000, 2, true},
      {"f64.wav", "WAV, 64-bit float", 11'025, 1, true},
      {"ulaw.wav", "WAV, u-law", 8'000, 1, true},
      {"alaw.wav", "WAV, A-law", 8'000, 2, true},
      {"extensible.wav", "WAV, 24-bit PCM", 48'000, 2, true},
      {"rf64.wav", "WAV, 16-bit PCM", 16'000, 1, true},
      {"s8.flac", "FLAC, 8-bit PCM", 16'000, 1, true},
      {"s16.flac", "FLAC, 16-bit PCM", 44'100, 2, true},
      {"s24.flac", "FLAC, 24-bit PCM", 24'000, 8, true},
      {"vorbis.ogg", "Ogg, Vorbis", 22'050, 2, false},
      {"opus.ogg", "Ogg, Opus", 48'000, 1, false},
      {"layer3.mp3", "MP3, MPEG layer III", 24'000, 1, false},
      {"stereo.mp3", "MP3, MPEG layer III", 44'100, 2, false},
  };
  const Recorded expected(data_path("audio/expected.safetensors"));
  for (const Row& row : rows) {
    INFO(row.name);
    const AudioClip clip = read_audio(data_path("audio/" + std::string(row.name)));
    const std::vector<float> want = expected.floats(std::string(row.name));
    CHECK(clip.format == row.format);
    CHECK(clip.rate == row.rate);
    CHECK(clip.channels == row.channels);
    REQUIRE(clip.samples.size() == want.size());
    // Decoders of lossy formats may differ between versions by what 16 bits resolve.
    const float bound = row.exact ? 0 : 0x1p-15f;
    float worst = 0;
    for (size_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::fabs(clip.samples[i] - want[i]));
    CHECK(worst <= bound);
  }
}

TEST_CASE("an MP3 file without a count of frames is read to its end") {
  const std::string mp3 = file_bytes(data_path("audio/layer3.mp3"));
  const size_t second = mp3.find("\xff\xf3", 4);
  REQUIRE(second != mp3.npos);
  REQUIRE(mp3.substr(0, second).find("Xing") + mp3.substr(0, second).find("Info") != 2 * mp3.npos);
  const std::vector<float> whole = samples_of(mp3), bare = samples_of(mp3.substr(second));
  CHECK(bare.size() > whole.size());  // nothing says any more which samples are the encoder's delay
  // Of variable bit rate: the length that the first frame alone suggests is far off.
  const TempDirectory folder;
  AudioWriter out(folder.file("a.mp3"), {.format = AudioFormat::mp3});
  out.write(tone(48'000, 0.05, 0.9f));
  out.write(std::vector<float>(48'000));
  out.finish();
  const std::string written = file_bytes(folder.file("a.mp3"));
  const size_t first = written.find("\xff\xf3", 4);
  REQUIRE(samples_of(written).size() == 96'000);
  CHECK(samples_of(written.substr(first)).size() >= 96'000);
  CHECK(samples_of("ID3" + std::string("\4\0\0\0\0\0\3abc\0", 11) + mp3 + "TAG" + std::string(125, ' ')) ==
        whole);
}

TEST_CASE("files that cannot be opened") {
  const TempDirectory folder;
  CHECK(refusal_of([&] { read_audio(folder.file("absent.wav")); }).exit == Exit::bad_input);
  CHECK(refusal_of([&] { read_audio(folder.file("")); }).exit == Exit::bad_input);
  write_file(folder.file("big.wav"), std::string(limits::kClipBytes + 1, '\0'));
  CHECK(refusal_of([&] { read_audio(folder.file("big.wav")); }).message ==
        folder.file("big.wav") + ": expected at most 67108864 bytes, got 67108865");
}
