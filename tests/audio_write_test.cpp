// Audio files: every format, every way that writing can fail, pipes and processes.
#include "audio_clips.h"
#include "base/file.h"
#include "catch.h"
#include "codec/audio_io.h"

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
    const int code = complaint(work).exit;
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
  Folder folder;
  const std::vector<float> x = {
      0, 1, -1, 1.5f, -7, 0.5f, 1.4f / 32'767, 1.6f / 32'767, -1.6f / 32'767, 2.5f / 32'767};
  write_all(folder.path("a.wav"), {}, x);
  const std::string bytes = file_text(folder.path("a.wav"));
  CHECK(bytes.substr(0, 44) == "RIFF" + number(56, 4) + "WAVEfmt " + number(16, 4) + number(1, 2) +
                                   number(1, 2) + number(24'000, 4) + number(48'000, 4) + number(2, 2) +
                                   number(16, 2) + "data" + number(20, 4));
  REQUIRE(bytes.size() == 64);
  const int want[] = {0, 32'767, -32'767, 32'767, -32'767, 16'384, 1, 2, -2};
  for (size_t i = 0; i < std::size(want); ++i) CHECK(sample_16(bytes, 44 + 2 * i) == want[i]);
  CHECK(file_text(folder.path("a.wav")) == bytes);
  write_all(folder.path("a.raw"), {.format = AudioFormat::raw}, x);
  CHECK(file_text(folder.path("a.raw")) == bytes.substr(44));
}

TEST_CASE("clamped samples are counted") {
  Folder folder;
  AudioWriter out(folder.path("a.wav"), {});
  out.write(std::vector<float>{0, 1, -1, 1.01f, -2});
  CHECK(out.samples() == 5);
  CHECK(out.clamped() == 2);
  CHECK(out.is_file());
}

TEST_CASE("wav24 and wavf32 keep what they can") {
  Folder folder;
  const std::vector<float> x = tone(4'001);
  write_all(folder.path("f.wav"), {.format = AudioFormat::wavf32}, x);
  CHECK(file_text(folder.path("f.wav")).size() == 58 + 4 * x.size());
  CHECK(read_audio(folder.path("f.wav")).samples == x);
  write_all(folder.path("24.wav"), {.format = AudioFormat::wav24}, x);
  CHECK(file_text(folder.path("24.wav")).size() ==
        44 + 3 * x.size() + 1);  // an odd number of bytes is padded
  const std::vector<float> got = read_audio(folder.path("24.wav")).samples;
  REQUIRE(got.size() == x.size());
  // Half a step of rounding, and full scale is 2^23 - 1 when writing and 2^23 when reading.
  for (size_t i = 0; i < x.size(); ++i)
    CHECK(std::fabs(static_cast<double>(got[i]) - x[i]) <= 0x1p-24 + 0x1p-23);
}

TEST_CASE("every format is read back") {
  Folder folder;
  const std::vector<float> x = tone(48'000);
  for (const AudioFormat format : kAll) {
    if (format == AudioFormat::raw) continue;
    INFO(str(format));
    const std::string path = folder.path("a." + std::string(extension(format)));
    write_all(path, {.format = format}, x);
    const AudioClip clip = read_audio(path);
    CHECK(clip.rate == 24'000);
    CHECK(clip.channels == 1);
    const size_t tail = format == AudioFormat::opus ? 600 : 0;  // 25 ms of silence behind the speech
    REQUIRE(clip.samples.size() == x.size() + tail);
    const bool lossy =
        format == AudioFormat::ogg || format == AudioFormat::opus || format == AudioFormat::mp3;
    // 16 bits and a full scale of 32767: 83 dB for this tone. Lossy: recognisably the same, and in the same
    // place.
    const double snr = snr_db(clip.samples, x);
    std::printf("%s: %.1f dB\n", std::string(str(format)).c_str(), snr);
    CHECK(snr >= (lossy ? 20 : 80));
    CHECK_FALSE(clip.clipped);
  }
}

TEST_CASE("speech that ends abruptly does not click in Opus") {
  Folder folder;
  std::vector<float> x = tone(60'000);
  x.resize(48'000);  // cut inside the tone
  write_all(folder.path("a.opus"), {.format = AudioFormat::opus}, x);
  const std::vector<float> got = read_audio(folder.path("a.opus")).samples;
  float worst = 0;
  for (size_t i = 47'000; i < 47'950; ++i) worst = std::max(worst, std::fabs(got[i] - x[i]));
  CHECK(worst < 0.1f);  // 1.3 without the silence behind it
}

TEST_CASE("pieces do not change the file") {
  Folder folder;
  const std::vector<float> x = tone(20'001);
  for (const AudioFormat format :
       {AudioFormat::wav, AudioFormat::wav24, AudioFormat::flac, AudioFormat::mp3, AudioFormat::raw}) {
    INFO(str(format));
    for (const int rate : {24'000, 48'000}) {
      write_all(folder.path("a"), {.format = format, .output_rate_hz = rate}, x, x.size());
      write_all(folder.path("b"), {.format = format, .output_rate_hz = rate}, x, 77);
      CHECK(file_text(folder.path("a")) == file_text(folder.path("b")));
    }
  }
}

TEST_CASE("another output rate") {
  Folder folder;
  const std::vector<float> x = tone(24'001);
  for (const int rate : {8'000, 16'000, 22'050, 44'100, 48'000}) {
    write_all(folder.path("a.wav"), {.format = AudioFormat::wavf32, .output_rate_hz = rate}, x);
    const AudioClip clip = read_audio(folder.path("a.wav"));
    CHECK(clip.rate == rate);
    CHECK(clip.samples == resample(x, 24'000, rate));
  }
}

TEST_CASE("no samples at all still give a valid file") {
  Folder folder;
  for (const AudioFormat format : kAll) {
    INFO(str(format));
    CHECK(complaint([&] { write_all(folder.path("a"), {.format = format}, {}); }).exit == 0);
  }
  write_all(folder.path("a"), {}, {});
  CHECK(file_text(folder.path("a")).size() == 44);
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
    const Complaint c = complaint([&] { choose_audio_format(path, ""); });
    CHECK(c.exit == 2);
    CHECK(c.message == path +
                           ": unknown extension of an audio file; choose with --format one of wav, wav24, "
                           "wavf32, flac, ogg, opus, "
                           "mp3, raw");
  }
  CHECK(complaint([] { choose_audio_format("a.wav", "WAV"); }).message ==
        "--format: expected one of wav, wav24, wavf32, flac, ogg, opus, mp3, raw, got WAV");
  CHECK(complaint([] { check_audio_output(AudioFormat::opus, 44'100); }).message ==
        "--rate: opus expects one of 8000, 12000, 16000, 24000, 48000 Hz, got 44100");
  CHECK(complaint([] { check_audio_output(AudioFormat::mp3, 96'000); }).exit == 2);
  CHECK(complaint([] { check_audio_output(AudioFormat::wav, 7'999); }).message ==
        "--rate: expected 8000..192000 Hz, got 7999");
}

TEST_CASE("a sample that is not finite is never written") {
  Folder folder;
  for (const float bad :
       {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    write_file(folder.path("a.wav"), "before");
    const Complaint c = complaint([&] {
      AudioWriter out(folder.path("a.wav"), {});
      out.write(std::vector<float>(10));
      out.write(std::vector<float>{0, 0, bad});
    });
    CHECK(c.exit == 1);
    CHECK(c.message.starts_with(folder.path("a.wav") + ": sample 12: expected a finite number, got "));
    CHECK(file_text(folder.path("a.wav")) == "before");
    CHECK(folder.names() == std::vector<std::string>{"a.wav"});
  }
}

TEST_CASE("an unfinished file leaves nothing, a partial one has its own name") {
  Folder folder;
  const std::vector<float> x = tone(5'000);
  for (const AudioFormat format : kAll) {
    INFO(str(format));
    write_file(folder.path("a.out"), "before");
    {
      AudioWriter out(folder.path("a.out"), {.format = format});
      out.write(x);
    }
    CHECK(folder.names() == std::vector<std::string>{"a.out"});
    {
      AudioWriter out(folder.path("a.out"), {.format = format});
      out.write(x);
      out.discard();
      CHECK(folder.names() == std::vector<std::string>{"a.out"});
      CHECK(complaint([&] { out.write(x); }).exit == 1);
    }
    {
      AudioWriter out(folder.path("a.out"), {.format = format});
      out.write(x);
      out.finish_as(folder.path("a.partial.out"));
    }
    CHECK(file_text(folder.path("a.out")) == "before");
    CHECK(folder.names() == std::vector<std::string>{"a.out", "a.partial.out"});
    if (format != AudioFormat::raw)
      CHECK(read_audio(folder.path("a.partial.out")).samples.size() >= x.size());
    CHECK(complaint([&] {
            AudioWriter out(folder.path("a.out"),
                            {.format = format, .existing = FileWriter::Existing::refuse});
          }).exit == 5);
    unlink(folder.path("a.partial.out").c_str());
  }
}

TEST_CASE("a full device is reported, in every format") {
  const std::vector<float> x = tone(100'000);
  for (const AudioFormat format : kAll) {
    INFO(str(format));
    const Complaint c = complaint([&] { write_all("/dev/full", {.format = format}, x); });
    CHECK(c.exit == 5);
    CHECK(c.message == "/dev/full: cannot be written: No space left on device");
  }
}

TEST_CASE("a limit on the file size is reported wherever it strikes") {
  Folder folder;
  const std::vector<float> x = tone(20'000);
  for (const AudioFormat format : kAll) {
    write_all(folder.path("size"), {.format = format}, x);
    const auto size = static_cast<rlim_t>(file_text(folder.path("size")).size());
    unlink(folder.path("size").c_str());
    write_file(folder.path("a.out"), "before");
    for (const rlim_t limit : {rlim_t{0}, rlim_t{1}, rlim_t{43}, rlim_t{100}, size / 2, size * 9 / 10}) {
      INFO(str(format) << " with a limit of " << limit << " of " << size);
      CHECK(in_child([&] {
              const rlimit now{limit, limit};
              setrlimit(RLIMIT_FSIZE, &now);
              write_all(folder.path("a.out"), {.format = format}, x);
            }) == 5);
      CHECK(file_text(folder.path("a.out")) == "before");
      CHECK(folder.names() == std::vector<std::string>{"a.out"});
    }
  }
}

TEST_CASE("standard output: a stream whose length nobody knows yet") {
  const std::vector<float> x = tone(24'000);
  for (const AudioFormat format : kAll) {
    INFO(str(format));
    int code = -1;
    const std::string got = piped([&] { write_all("-", {.format = format}, x); }, code);
    CHECK(code == 0);
    if (format == AudioFormat::wav) {
      CHECK(got.substr(4, 4) == "\xff\xff\xff\xff");
      CHECK(got.substr(36, 8) == "data\xff\xff\xff\xff");
    }
    Folder folder;
    write_all(folder.path("a"), {.format = format}, x);
    if (format == AudioFormat::raw) {
      CHECK(got == file_text(folder.path("a")));
    } else if (format !=
               AudioFormat::mp3) {  // there the length of the encoder's delay stands in the first frame
      CHECK(parse_audio(as_bytes(got), "stream").samples == read_audio(folder.path("a")).samples);
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
  Folder folder;
  REQUIRE(mkfifo(folder.path("fifo").c_str(), 0600) == 0);
  std::string got;
  std::thread reader([&] { got = read_all(open(folder.path("fifo").c_str(), O_RDONLY)); });
  write_all(folder.path("fifo"), {}, tone(3'000));
  reader.join();
  CHECK(got.size() == 44 + 6'000);
  struct stat info {};
  CHECK((stat(folder.path("fifo").c_str(), &info) == 0 && S_ISFIFO(info.st_mode)));
}

TEST_CASE("a reader that goes away is an error, not a signal") {
  for (const AudioFormat format : {AudioFormat::wav, AudioFormat::raw, AudioFormat::ogg, AudioFormat::mp3}) {
    INFO(str(format));
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    close(ends[0]);
    CHECK(in_child([&] {
            dup2(ends[1], STDOUT_FILENO);
            write_all("-", {.format = format}, tone(100'000));
          }) == 5);
    close(ends[1]);
  }
}

TEST_CASE("directories and missing folders") {
  Folder folder;
  CHECK(complaint([&] { AudioWriter out(folder.path(""), {}); }).exit == 5);
  CHECK(complaint([&] { AudioWriter out(folder.path("no/a.wav"), {}); }).exit == 5);
  CHECK(folder.names().empty());
}
