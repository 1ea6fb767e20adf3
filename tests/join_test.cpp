// Joining of chunks: what is trimmed, how soft the joints are, and that pieces do not matter.
#include "engine/join.h"
#include "audio_clips.h"
#include "catch.h"

#include <algorithm>
#include <cmath>
#include <numbers>

using namespace tts;
using namespace tts::test;

namespace {

struct Joined {
  std::vector<float> samples;
  std::vector<Placed> placed;
};

Joined join(const std::vector<std::vector<float>>& chunks, const JoinSettings& settings, double gap_ms,
            size_t piece = 1'920) {
  Joined out;
  Joiner joiner(settings, [&](std::span<const float> block) {
    out.samples.insert(out.samples.end(), block.begin(), block.end());
  });
  for (const std::vector<float>& chunk : chunks) {
    joiner.begin_chunk(gap_ms);
    for (size_t at = 0; at < chunk.size(); at += piece)
      joiner.write(std::span(chunk).subspan(at, std::min(piece, chunk.size() - at)));
    out.placed.push_back(joiner.end_chunk());
  }
  CHECK(joiner.samples() == static_cast<int64_t>(out.samples.size()));
  return out;
}

// `before` silent samples, `voiced` of a loud cosine that begins and ends at full height, `after` silent
// samples.
std::vector<float> chunk_of(int64_t before, int64_t voiced, int64_t after, double step = 0.05) {
  std::vector<float> out(static_cast<size_t>(before), 0.0f);
  for (int64_t i = 0; i < voiced; ++i)
    out.push_back(static_cast<float>(
        0.8 * std::cos(step * static_cast<double>(i - (i > voiced / 2 ? voiced - 1 : 0)))));
  out.resize(out.size() + static_cast<size_t>(after), 0.0f);
  return out;
}

float largest_step(std::span<const float> x) {
  float largest = 0, previous = 0;
  for (const float sample : x) {
    largest = std::max(largest, std::fabs(sample - previous));
    previous = sample;
  }
  return std::max(largest, std::fabs(previous));  // the end is a joint with silence
}

// Silent samples before the first and behind the last that is not.
std::pair<int64_t, int64_t> margins(std::span<const float> x) {
  const auto loud = [](float sample) { return std::fabs(sample) >= 1e-3f; };
  const auto first = std::find_if(x.begin(), x.end(), loud);
  const auto last = std::find_if(x.rbegin(), x.rend(), loud);
  return {first - x.begin(), last - x.rbegin()};
}

}  // namespace

TEST_CASE("silence at the edges is cut to the set amount") {
  const JoinSettings s{.rate_hz = 24'000, .lead_ms = 30, .trail_ms = 80, .fade_ms = 0};
  const Joined one = join({chunk_of(9'000, 5'000, 12'000)}, s, 250);
  CHECK(one.samples.size() == 720 + 5'000 + 1'920);
  CHECK(margins(one.samples) == std::pair<int64_t, int64_t>{720, 1'920});
  const Joined less = join({chunk_of(10, 5'000, 20)}, s, 250);  // there is less than that: nothing is added
  CHECK(less.samples.size() == 10 + 5'000 + 20);
  const Joined inner = join({[] {
                              std::vector<float> x = chunk_of(100, 3'000, 30'000),
                                                 more = chunk_of(0, 3'000, 0);
                              x.insert(x.end(), more.begin(), more.end());
                              return x;
                            }()},
                            s, 250);
  CHECK(inner.samples.size() == 100 + 3'000 + 30'000 + 3'000);  // a pause inside a chunk stays
}

TEST_CASE("gaps stand between chunks, not before the first nor behind the last") {
  const JoinSettings s{.rate_hz = 24'000, .lead_ms = 10, .trail_ms = 20, .fade_ms = 5};
  const Joined out =
      join({chunk_of(1'000, 2'000, 1'000), chunk_of(1'000, 3'000, 1'000), chunk_of(0, 500, 0)}, s, 250);
  CHECK(out.samples.size() == (240 + 2'000 + 480) + 6'000 + (240 + 3'000 + 480) + 6'000 + 500);
  REQUIRE(out.placed.size() == 3);
  CHECK(out.placed[0].begin == 0);
  CHECK(out.placed[0].end == 2'720);
  CHECK(out.placed[1].begin == 8'720);
  CHECK(out.placed[1].end == 8'720 + 3'720);
  CHECK(out.placed[2].begin == 18'440);
  CHECK(out.placed[2].end == static_cast<int64_t>(out.samples.size()));
  for (int64_t at = out.placed[0].end; at < out.placed[1].begin; ++at)
    CHECK(out.samples[static_cast<size_t>(at)] == 0);
}

TEST_CASE("a silent chunk adds nothing, not even its gap") {
  const JoinSettings s{.rate_hz = 24'000};
  const std::vector<float> voice = chunk_of(0, 2'000, 0), silence(5'000, 0.0005f);
  const Joined with = join({silence, voice, silence, {}, voice, silence}, s, 250);
  CHECK(with.samples == join({voice, voice}, s, 250).samples);
  CHECK(with.placed[0].begin == with.placed[0].end);
  CHECK(with.placed[2].begin == with.placed[1].end);
  CHECK(with.placed[2].end == with.placed[1].end);
}

TEST_CASE("no click at a joint") {
  // Chunks that are cut in full swing: without a fade each joint is a step of 0.8.
  const std::vector<std::vector<float>> chunks = {chunk_of(0, 4'000, 0), chunk_of(0, 3'001, 0),
                                                  chunk_of(0, 777, 0)};
  for (const double gap_ms : {0.0, 250.0}) {
    for (const double fade_ms : {2.0, 5.0, 10.0}) {
      const Joined out = join(chunks, {.rate_hz = 24'000, .fade_ms = fade_ms}, gap_ms);
      // |d(w x)| <= |dx| w + |x| |dw|, and the raised cosine rises by at most pi / (2 * fade) per sample.
      const double inside = 0.8 * 0.05, fade = fade_ms * 24;
      const double bound = inside + 0.8 * std::numbers::pi / (2 * fade);
      INFO("fade " << fade_ms << " ms, gap " << gap_ms << " ms: largest step " << largest_step(out.samples));
      CHECK(largest_step(out.samples) <= bound);
    }
    CHECK(largest_step(join(chunks, {.rate_hz = 24'000, .fade_ms = 0}, gap_ms).samples) >= 0.79f);
  }
}

TEST_CASE("fades touch the outer ends only") {
  const std::vector<float> chunk = chunk_of(0, 4'000, 0);
  const Joined out = join({chunk}, {.rate_hz = 24'000, .fade_ms = 5}, 0);
  REQUIRE(out.samples.size() == chunk.size());
  CHECK(std::equal(chunk.begin() + 120, chunk.end() - 120, out.samples.begin() + 120));
  CHECK(std::fabs(out.samples.front()) < 0.001f);
  CHECK(std::fabs(out.samples.back()) < 0.001f);
  const Joined tiny =
      join({chunk_of(0, 50, 0)}, {.rate_hz = 24'000, .fade_ms = 5}, 0);  // shorter than two fades
  CHECK(tiny.samples.size() == 50);
  CHECK(largest_step(tiny.samples) < 0.1f);
}

TEST_CASE("pieces of any size give the same recording") {
  const std::vector<std::vector<float>> chunks = {chunk_of(900, 4'000, 3'000), chunk_of(5'000, 301, 0),
                                                  std::vector<float>(700, 0.0f), chunk_of(1, 9'000, 60'000)};
  const Joined want = join(chunks, {.rate_hz = 24'000}, 250, 1'000'000);
  for (const size_t piece : {1u, 7u, 119u, 1'920u}) {
    const Joined got = join(chunks, {.rate_hz = 24'000}, 250, piece);
    CHECK(got.samples == want.samples);
    for (size_t i = 0; i < chunks.size(); ++i) CHECK(got.placed[i].end == want.placed[i].end);
  }
}

TEST_CASE("voice leaves at once, only silence and the fade are held") {
  int64_t out = 0;
  Joiner joiner({.rate_hz = 24'000, .fade_ms = 5},
                [&](std::span<const float> block) { out += static_cast<int64_t>(block.size()); });
  joiner.begin_chunk(0);
  joiner.write(chunk_of(0, 48'000, 0));
  CHECK(out == 48'000 - 120);
  joiner.write(std::vector<float>(24'000, 0.0f));
  CHECK(out == 48'000 + 1'920 - 120);
  CHECK(joiner.end_chunk().end == 48'000 + 1'920);
  CHECK(out == 48'000 + 1'920);
}
