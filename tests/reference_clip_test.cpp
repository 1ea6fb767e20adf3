// What a reference clip must be before it reaches the encoders.
#include "engine/reference_clip.h"
#include "audio_clips.h"
#include "catch.h"
#include "codec/resample.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace tts;
using namespace tts::test;

namespace {

AudioClip clip_of(std::vector<float> samples, int rate = 24'000) {
  return {.samples = std::move(samples), .rate = rate, .channels = 1, .format = "WAV, 16-bit PCM"};
}

Complaint complaint_of(const AudioClip& clip) {
  return complaint([&] { prepare_reference(clip, 24'000, "clip.wav"); });
}

}  // namespace

TEST_CASE("silence is below 0.0001 everywhere") {
  std::vector<float> x(30'000, 0.0f);
  CHECK(complaint_of(clip_of(x)).message ==
        "clip.wav: expected a voice, got silence: every sample is below 1e-04");
  x[17'000] = -0.00009999f;
  CHECK(complaint_of(clip_of(x)).exit == 3);
  x[17'000] = -0.0001f;
  CHECK(complaint_of(clip_of(x)).exit == 0);
}

TEST_CASE("at least 1280 samples at 24 kHz") {
  CHECK(complaint_of(clip_of(tone(1'280))).exit == 0);
  const Complaint c = complaint_of(clip_of(tone(1'279)));
  CHECK(c.exit == 3);
  CHECK(c.message ==
        "clip.wav: expected at least 1280 samples at 24000 Hz, got 1279; use a longer clip, 3 seconds are "
        "good");
  CHECK(complaint_of(clip_of(tone(2'559), 48'000)).exit == 0);  // 1279.5 is rounded up
  CHECK(complaint_of(clip_of(tone(2'558), 48'000)).exit == 3);
  CHECK(complaint_of(clip_of(tone(427), 8'000)).exit == 0);
  CHECK(complaint_of(clip_of(tone(426), 8'000)).exit == 3);
  CHECK(complaint_of(clip_of({})).exit == 3);
}

TEST_CASE("at most 60 seconds") {
  CHECK(complaint_of(clip_of(tone(60 * 8'000), 8'000)).exit == 0);
  CHECK(complaint_of(clip_of(tone(60 * 8'000 + 1), 8'000)).message ==
        "clip.wav: expected at most 60 seconds of audio, got 60.00; cut the clip");
  CHECK(complaint_of(clip_of(tone(70 * 8'000), 8'000)).message ==
        "clip.wav: expected at most 60 seconds of audio, got 70.00; cut the clip");
}

TEST_CASE("only finite samples") {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    std::vector<float> x = tone(30'000);
    x[123] = bad;
    CHECK(complaint_of(clip_of(x)).message == "clip.wav: expected finite samples, got NaN or infinity");
  }
  std::vector<float> huge(30'000, 3e38f);
  for (size_t i = 0; i < huge.size(); i += 2) huge[i] = -3e38f;
  const Complaint c = complaint_of(clip_of(huge, 8'000));
  CHECK(c.exit == 3);
  CHECK(c.message == "clip.wav: samples are too large to be resampled; expected about -1..1");
}

TEST_CASE("short and clipped clips are warned about") {
  const auto warnings = [](const AudioClip& clip) {
    return prepare_reference(clip, 24'000, "clip.wav").warnings;
  };
  CHECK(warnings(clip_of(tone(24'000))).empty());
  CHECK(warnings(clip_of(tone(23'999))) ==
        std::vector<std::string>{"clip.wav: only 1.00 seconds of reference audio; 3 seconds or more "
                                 "resemble the voice better"});
  AudioClip loud = clip_of(tone(30'000));
  loud.clipped = true;
  CHECK(warnings(loud) ==
        std::vector<std::string>{"clip.wav: the recording is clipped; the clone may sound harsh"});
}

TEST_CASE("samples arrive at the encoders' rate, silence behind them on demand") {
  const ReferenceClip clip = prepare_reference(clip_of(tone(44'100), 44'100), 24'000, "clip.wav");
  CHECK(clip.rate_hz == 24'000);
  CHECK(clip.samples == resample(tone(44'100), 44'100, 24'000));
  CHECK(with_silence(clip, 0) == clip.samples);
  const std::vector<float> longer = with_silence(clip, 500);
  REQUIRE(longer.size() == clip.samples.size() + 12'000);
  CHECK(std::equal(clip.samples.begin(), clip.samples.end(), longer.begin()));
  CHECK(std::all_of(longer.end() - 12'000, longer.end(), [](float x) { return x == 0; }));
  CHECK(complaint([&] { with_silence(clip, -1); }).message == "--ref-silence-ms: expected 0..5000, got -1");
  CHECK(complaint([&] { with_silence(clip, 5'001); }).exit == 2);
}

TEST_CASE("a whole file: read, checked, brought to 24 kHz") {
  const AudioClip clip = read_audio(data_path("audio/s16.flac"));
  const ReferenceClip reference = prepare_reference(clip, 24'000, "s16.flac");
  CHECK(reference.samples.size() == 1'444);  // 2653 * 24000 / 44100, rounded up
  CHECK(reference.warnings.size() == 1);
}
