// Resampling to 24 kHz against the official resampler's recorded output, at every rate that clips usually
// have.
#include "codec/resample.h"
#include "audio_clips.h"
#include "catch.h"
#include "recorded.h"

#include <cstdio>

using namespace tts;
using namespace tts::test;

namespace {

constexpr double kBound{1e-5};  // relative error that the specification asks for

void compare(int rate, std::span<const float> in, std::span<const float> want) {
  const std::vector<float> got = resample(in, rate, 24'000);
  REQUIRE(got.size() == want.size());
  const double error = relative_error(got, want);
  std::printf("resample %d -> 24000 Hz: relative error %.3g\n", rate, error);
  CHECK(error <= kBound);
}

}  // namespace

TEST_CASE("recorded resampling of 16, 44.1 and 48 kHz") {
  const Recorded in(kGoldens + "/audio.safetensors"), out(kGoldens + "/resample.safetensors");
  compare(16'000, in.floats("x16k"), out.floats("x16k.24k"));
  compare(44'100, in.floats("x44k"), out.floats("x44k.24k"));
  compare(48'000, in.floats("x48k"), out.floats("x48k.24k"));
}

TEST_CASE("recorded resampling of 8 and 22.05 kHz") {
  const Recorded file(data_path("audio/expected.safetensors"));
  compare(8'000, file.floats("resample.8000.in"), file.floats("resample.8000.out"));
  compare(22'050, file.floats("resample.22050.in"), file.floats("resample.22050.out"));
}

TEST_CASE("length where the product is just above an integer") {
  CHECK(resampled_count(11'025, 44'100, 24'000) == 6'001);
}

TEST_CASE("length is rounded up, for every length and pair of rates") {
  for (const auto& [from, to] : {std::pair{8'000, 24'000},
                                 {22'050, 24'000},
                                 {44'100, 24'000},
                                 {48'000, 24'000},
                                 {24'000, 44'100},
                                 {24'000, 8'000},
                                 {192'000, 24'000},
                                 {24'000, 24'000}}) {
    for (const int64_t n : {0, 1, 2, 3, 7, 100, 1'279, 4'096, 4'097, 11'025}) {
      const std::vector<float> in(static_cast<size_t>(n), 0.25f);
      const int64_t exact = (n * to + from - 1) / from;
      const int64_t want = resampled_count(n, from, to);
      INFO(from << " to " << to << " Hz, " << n << " samples");
      CHECK((want == exact || (n * to % from == 0 && want == exact + 1)));  // an integer may round upwards
      CHECK(static_cast<int64_t>(resample(in, from, to).size()) == want);
    }
  }
}

TEST_CASE("pieces of any size give the same samples") {
  const std::vector<float> in = tone(30'011);
  for (const auto& [from, to] :
       {std::pair{24'000, 44'100}, {24'000, 16'000}, {44'100, 24'000}, {24'000, 48'000}}) {
    const std::vector<float> want = resample(in, from, to);
    for (const size_t piece : {1u, 17u, 1'920u, 8'000u}) {
      Resampler resampler(from, to);
      std::vector<float> got;
      for (size_t at = 0; at < in.size(); at += piece) {
        const auto part = resampler.push(std::span(in).subspan(at, std::min(piece, in.size() - at)));
        got.insert(got.end(), part.begin(), part.end());
      }
      const auto rest = resampler.finish();
      got.insert(got.end(), rest.begin(), rest.end());
      INFO(from << " to " << to << " Hz in pieces of " << piece);
      CHECK(got == want);
    }
  }
}

TEST_CASE("equal rates pass through untouched") {
  const std::vector<float> in = tone(1'000);
  CHECK(resample(in, 24'000, 24'000) == in);
}
