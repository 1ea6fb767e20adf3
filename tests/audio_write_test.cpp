// Audio files: every format, every way that writing can fail, pipes and processes.
#include "audio_clips.h"
#include "base/file.h"
#include "catch.h"
#include "codec/audio_io.h"
#include "process.h"
#include "refusal.h"
#include "temp_directory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <thread>

using namespace tts;
using namespace tts::test;

namespace {

constexpr AudioFormat kAll[] = {AudioFormat::wav, AudioFormat::wav24, AudioFormat::wavf32, AudioFormat::flac,
                                AudioFormat::ogg, AudioFormat::opus,  AudioFormat::mp3,    AudioFormat::raw};

void write_all(const std::string& path, const AudioOutput& output, std::span<const float> samples,
               size_t piece = 1'920) {
  AudioWriter out(path, output);
  for (size_t at = 0; at < samples.size(); at += piece)
    out.write(samples.subspan(at, std::min(piece, samples.size() - at)));
  out.finish();
}

// A child that does `work`, with SIGPIPE ignored as in the programs. Before any thread is started: a forked
// child of threads may wait for a lock that nobody holds any more.
pid_t start_child(const std::function<void()>& work) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGPIPE, SIG_IGN);
    const int code = static_cast<int>(refusal_of(work).exit);
    _exit(code);
  }
  return child;
}

int exit_code_of(pid_t child) {
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

int in_child(const std::function<void()>& work) { return exit_code_of(start_child(work)); }

std::string read_all(int fd) {
  std::string out;
  char block[4'096];
  for (ssize_t got = 0; (got = read(fd, block, sizeof block)) > 0;)
    out.append(block, static_cast<size_t>(got));
  close(fd);
  return out;
}

// What a child with this standard output sends through a pipe.
std::string piped(const std::function<void()>& work, int& exit_code) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = start_child([&] {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    work();
  });
  close(ends[1]);
  std::string got = read_all(ends[0]);
  exit_code = exit_code_of(child);
  return got;
}

int16_t sample_16(const std::string& bytes, size_t at) {
  return static_cast<int16_t>(static_cast<uint8_t>(bytes[at]) | static_cast<uint8_t>(bytes[at + 1]) << 8);
}

double snr_db(std::span<const float> got, std::span<const float> want) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    signal += static_cast<double>(want[i]) * want[i];
    noise += std::pow(static_cast<double>(got[i]) - want[i], 2);
  }
  return 10 * std::log10(signal / noise);
}

}  // namespace

TEST_CASE("wav: 44 bytes of header, 16 bits rounded to nearest") {
  const TempDirectory folder;
  const std::vector<float> x = {
      0, 1, -1, 1.5f, -7, 0.5f, 1.4f / 32'767, 1.6f / 32'767, -1.6f / 32'767, 2.5f / 32'767};
  write_all(folder.file("a.wav"), {}, x);
  const std::string bytes = file_bytes(folder.file("a.wav"));
  CHECK(bytes.substr(0, 44) == "RIFF" + number(56, 4) + "WAVEfmt " + number(16, 4) + number(1, 2) +
                                   number(1, 2) + number(24'000, 4) + number(48'000, 4) + number(2, 2) +
                                   number(16, 2) + "data" + number(20, 4));
  REQUIRE(bytes.size() == 64);
  const int want[] = {0, 32'767, -32'767, 32'767, -32'767, 16'384, 1, 2, -2};
  for (size_t i = 0; i < std::size(want); ++i) CHECK(sample_16(bytes, 44 + 2 * i) == want[i]);
  CHECK(file_bytes(folder.file("a.wav")) == bytes);
  write_all(folder.file("a.raw"), {.format = AudioFormat::raw}, x);
  CHECK(file_bytes(folder.file("a.raw")) == bytes.substr(44));
}

TEST_CASE("clamped samples are counted") {
  const TempDirectory folder;
  AudioWriter out(folder.file("a.wav"), {});
  out.write(std::vector<float>{0, 1, -1, 1.01f, -2});
  CHECK(out.samples() == 5);
  CHECK(out.clamped() == 2);
  CHECK(out.is_file());
}

TEST_CASE("wav24 and wavf32 keep what they can") {
  const TempDirectory folder;
  const std::vector<float> x = tone(4'001);
  write_all(folder.file("f.wav"), {.format = AudioFormat::wavf32}, x);
  CHECK(file_bytes(folder.file("f.wav")).size() == 58 + 4 * x.size());
  CHECK(read_audio(folder.file("f.wav")).samples == x);
  write_all(folder.file("24.wav"), {.format = AudioFormat::wav24}, x);
  CHECK(file_bytes(folder.file("24.wav")).size() ==
        44 + 3 * x.size() + 1);  // an odd number of bytes is padded
  const std::vector<float> got = read_audio(folder.file("24.wav")).samples;
  REQUIRE(got.size() == x.size());
  // Half a step of rounding, and full scale is 2^23 - 1 when writing and 2^23 when reading.
  for (size_t i = 0; i < x.size(); ++i)
    CHECK(std::fabs(static_cast<double>(got[i]) - x[i]) <= 0x1p-24 + 0x1p-23);
}

TEST_CASE("every format is read back") {
  const TempDirectory folder;
  const std::vector<float> x = tone(48'000);
  for (const AudioFormat kind : kAll) {
    if (kind == AudioFormat::raw) continue;
    INFO(str(kind));
    const std::string path = folder.file("a." + std::string(extension(kind)));
    write_all(path, {.format = kind}, x);
    const AudioClip clip = read_audio(path);
    CHECK(clip.rate == 24'000);
    CHECK(clip.channels == 1);
    const size_t tail = kind == AudioFormat::opus ? 600 : 0;  // 25 ms of silence behind the speech
    REQUIRE(clip.samples.size() == x.size() + tail);
    const bool lossy =
        kind == AudioFormat::ogg || kind == AudioFormat::opus || kind == AudioFormat::mp3;
    // 16 bits and a full scale of 32767: 83 dB for this tone. Lossy: recognisably the same, and in the same
    // place.
    const double snr = snr_db(clip.samples, x);
    std::printf("%s: %.1f dB\n", std::string(str(kind)).c_str(), snr);
    CHECK(snr >= (lossy ? 20 : 80));
    CHECK_FALSE(clip.clipped);
  }
}

TEST_CASE("speech that ends abruptly does not click in Opus") {
  const TempDirectory folder;
  std::vector<float> x = tone(60'000);
  x.resize(48'000);  // cut inside the tone
  write_all(folder.file("a.opus"), {.format = AudioFormat::opus}, x);
  const std::vector<float> got = read_audio(folder.file("a.opus")).samples;
  float worst = 0;
  for (size_t i = 47'000; i < 47'950; ++i) worst = std::max(worst, std::fabs(got[i] - x[i]));
  CHECK(worst < 0.1f);  // 1.3 without the silence behind it
}

TEST_CASE("pieces do not change the file") {
  const TempDirectory folder;
  const std::vector<float> x = tone(20'001);
  for (const AudioFormat kind :
       {AudioFormat::wav, AudioFormat::wav24, AudioFormat::flac, AudioFormat::mp3, AudioFormat::raw}) {
    INFO(str(kind));
    for (const int rate : {24'000, 48'000}) {
      write_all(folder.file("a"), {.format = kind, .output_rate_hz = rate}, x, x.size());
      write_all(folder.file("b"), {.format = kind, .output_rate_hz = rate}, x, 77);
      CHECK(file_bytes(folder.file("a")) == file_bytes(folder.file("b")));
    }
  }
}

TEST_CASE("another output rate") {
  const TempDirectory folder;
  const std::vector<float> x = tone(24'001);
  for (const int rate : {8'000, 16'000, 22'050, 44'100, 48'000}) {
    write_all(folder.file("a.wav"), {.format = AudioFormat::wavf32, .output_rate_hz = rate}, x);
    const AudioClip clip = read_audio(folder.file("a.wav"));
    CHECK(clip.rate == rate);
    CHECK(clip.samples == resample(x, 24'000, rate));
  }
}

TEST_CASE("no samples at all still give a valid file") {
  const TempDirectory folder;
  for (const AudioFormat kind : kAll) {
    INFO(str(kind));
    CHECK(refusal_of([&] { write_all(folder.file("a"), {.format = kind}, {}); }).exit == Exit::ok);
  }
  write_all(folder.file("a"), {}, {});
  CHECK(file_bytes(folder.file("a")).size() == 44);
}

TEST_CASE("format by name and extension") {
  CHECK(choose_audio_format("a.wav", "") == AudioFormat::wav);
  CHECK(choose_audio_format("x/a.b.FLAC", "") == AudioFormat::flac);
  CHECK(choose_audio_format("a.opus", "") == AudioFormat::opus);
  CHECK(choose_audio_format("a.ogg", "") == AudioFormat::ogg);
  CHECK(choose_audio_format("a.mp3", "") == AudioFormat::mp3);
  CHECK(choose_audio_format("a.raw", "") == AudioFormat::raw);
  CHECK(choose_audio_format("-", "") == AudioFormat::wav);
  CHECK(choose_audio_format("a.mp3", "wav24") == AudioFormat::wav24);
  for (const std::string path : {"a", "a.txt", "a.", "a.wav/b", ".", ""}) {
    const Refusal c = refusal_of([&] { choose_audio_format(path, ""); });
    CHECK(c.exit == Exit::usage);
    CHECK(c.message == path +
                           ": unknown extension of an audio file; choose with --format one of wav, wav24, "
                           "wavf32, flac, ogg, opus, "
                           "mp3, raw");
  }
  CHECK(refusal_of([] { choose_audio_format("a.wav", "WAV"); }).message ==
        "--format: expected one of wav, wav24, wavf32, flac, ogg, opus, mp3, raw, got WAV");
  CHECK(refusal_of([] { check_audio_output(AudioFormat::opus, 44'100); }).message ==
        "--rate: opus expects one of 8000, 12000, 16000, 24000, 48000 Hz, got 44100");
  CHECK(refusal_of([] { check_audio_output(AudioFormat::mp3, 96'000); }).exit == Exit::usage);
  CHECK(refusal_of([] { check_audio_output(AudioFormat::wav, 7'999); }).message ==
        "--rate: expected 8000..192000 Hz, got 7999");
}

TEST_CASE("a sample that is not finite is never written") {
  const TempDirectory folder;
  for (const float bad :
       {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    write_file(folder.file("a.wav"), "before");
    const Refusal c = refusal_of([&] {
      AudioWriter out(folder.file("a.wav"), {});
      out.write(std::vector<float>(10));
      out.write(std::vector<float>{0, 0, bad});
    });
    CHECK(c.exit == Exit::internal);
    CHECK(c.message.starts_with(folder.file("a.wav") + ": sample 12: expected a finite number, got "));
    CHECK(file_bytes(folder.file("a.wav")) == "before");
    CHECK(folder.names() == std::vector<std::string>{"a.wav"});
  }
}

TEST_CASE("an unfinished file leaves nothing, a partial one has its own name") {
  const TempDirectory folder;
  const std::vector<float> x = tone(5'000);
  for (const AudioFormat kind : kAll) {
    INFO(str(kind));
    write_file(folder.file("a.out"), "before");
    {
      AudioWriter out(folder.file("a.out"), {.format = kind});
      out.write(x);
    }
    CHECK(folder.names() == std::vector<std::string>{"a.out"});
    {
      AudioWriter out(folder.file("a.out"), {.format = kind});
      out.write(x);
      out.discard();
      CHECK(folder.names() == std::vector<std::string>{"a.out"});
      CHECK(refusal_of([&] { out.write(x); }).exit == Exit::internal);
    }
    {
      AudioWriter out(folder.file("a.out"), {.format = kind});
      out.write(x);
      out.finish_as(folder.file("a.partial.out"));
    }
    CHECK(file_bytes(folder.file("a.out")) == "before");
    CHECK(folder.names() == std::vector<std::string>{"a.out", "a.partial.out"});
    if (kind != AudioFormat::raw)
      CHECK(read_audio(folder.file("a.partial.out")).samples.size() >= x.size());
    CHECK(refusal_of([&] {
            AudioWriter out(folder.file("a.out"),
                            {.format = kind, .existing = FileWriter::Existing::refuse});
          }).exit == Exit::output);
    unlink(folder.file("a.partial.out").c_str());
  }
}

TEST_CASE("a full device is reported, in every format") {
  const std::vector<float> x = tone(100'000);
  for (const AudioFormat kind : kAll) {
    INFO(str(kind));
    const Refusal c = refusal_of([&] { write_all("/dev/full", {.format = kind}, x); });
    CHECK(c.exit == Exit::output);
    CHECK(c.message == "/dev/full: cannot be written: No space left on device");
  }
}

TEST_CASE("a limit on the file size is reported wherever it strikes") {
  const TempDirectory folder;
  const std::vector<float> x = tone(20'000);
  for (const AudioFormat kind : kAll) {
    write_all(folder.file("size"), {.format = kind}, x);
    const auto size = static_cast<rlim_t>(file_bytes(folder.file("size")).size());
    unlink(folder.file("size").c_str());
    write_file(folder.file("a.out"), "before");
    for (const rlim_t limit : {rlim_t{0}, rlim_t{1}, rlim_t{43}, rlim_t{100}, size / 2, size * 9 / 10}) {
      INFO(str(kind) << " with a limit of " << limit << " of " << size);
      CHECK(in_child([&] {
              const rlimit now{limit, limit};
              setrlimit(RLIMIT_FSIZE, &now);
              write_all(folder.file("a.out"), {.format = kind}, x);
            }) == 5);
      CHECK(file_bytes(folder.file("a.out")) == "before");
      CHECK(folder.names() == std::vector<std::string>{"a.out"});
    }
  }
}

TEST_CASE("standard output: a stream whose length nobody knows yet") {
  const std::vector<float> x = tone(24'000);
  for (const AudioFormat kind : kAll) {
    INFO(str(kind));
    int code = -1;
    const std::string got = piped([&] { write_all("-", {.format = kind}, x); }, code);
    CHECK(code == 0);
    if (kind == AudioFormat::wav) {
      CHECK(got.substr(4, 4) == "\xff\xff\xff\xff");
      CHECK(got.substr(36, 8) == "data\xff\xff\xff\xff");
    }
    const TempDirectory folder;
    write_all(folder.file("a"), {.format = kind}, x);
    if (kind == AudioFormat::raw) {
      CHECK(got == file_bytes(folder.file("a")));
    } else if (kind !=
               AudioFormat::mp3) {  // there the length of the encoder's delay stands in the first frame
      CHECK(parse_audio(as_bytes(got), "stream").samples == read_audio(folder.file("a")).samples);
    } else {
      CHECK(parse_audio(as_bytes(got), "stream").samples.size() > x.size());
    }
  }
}

TEST_CASE("each piece is in the pipe when write returns") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const std::string path = "/dev/fd/" + std::to_string(ends[1]);
  AudioWriter out(path, {});
  CHECK_FALSE(out.is_file());
  std::string block(10'000, '\0');
  out.write(tone(1'920));
  CHECK(read(ends[0], block.data(), block.size()) == 44 + 3'840);
  out.write(tone(100));
  CHECK(read(ends[0], block.data(), block.size()) == 200);
  out.finish();
  close(ends[1]);
  CHECK(read(ends[0], block.data(), block.size()) == 0);
  close(ends[0]);
}

TEST_CASE("a FIFO is written directly") {
  const TempDirectory folder;
  REQUIRE(mkfifo(folder.file("fifo").c_str(), 0600) == 0);
  std::string got;
  std::thread reader([&] { got = read_all(open(folder.file("fifo").c_str(), O_RDONLY)); });
  write_all(folder.file("fifo"), {}, tone(3'000));
  reader.join();
  CHECK(got.size() == 44 + 6'000);
  struct stat info {};
  CHECK((stat(folder.file("fifo").c_str(), &info) == 0 && S_ISFIFO(info.st_mode)));
}

TEST_CASE("a reader that goes away is an error, not a signal") {
  for (const AudioFormat kind : {AudioFormat::wav, AudioFormat::raw, AudioFormat::ogg, AudioFormat::mp3}) {
    INFO(str(kind));
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    close(ends[0]);
    CHECK(in_child([&] {
            dup2(ends[1], STDOUT_FILENO);
            write_all("-", {.format = kind}, tone(100'000));
          }) == 5);
    close(ends[1]);
  }
}

TEST_CASE("directories and missing folders") {
  const TempDirectory folder;
  CHECK(refusal_of([&] { AudioWriter out(folder.file(""), {}); }).exit == Exit::output);
  CHECK(refusal_of([&] { AudioWriter out(folder.file("no/a.wav"), {}); }).exit == Exit::output);
  CHECK(folder.names().empty());
}
