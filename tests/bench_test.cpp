// tts-bench as a process: random checkpoints, and what the reports hold.
#include "base/file.h"
#include "base/json.h"
#include "catch.h"
#include "process.h"
#include "temp_directory.h"

#include "engine/model.h"
#include "tools/bench_ops.h"
#include "tools/bench_speech.h"
#include "tools/playback.h"
#include "tools/statistics.h"

#include <sstream>

using namespace tts;
using namespace tts::test;

namespace {

using Words = std::vector<std::string>;

Finished bench(const Words& words) { return run(TTS_BIN_DIR "/tts-bench", words); }

std::string golden_model_path() {
  return std::string(TTS_SOURCE_DIR) + "/tests/goldens/models/tiny-custom-voice";
}

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(Json::parse(line, "line"));
  return lines;
}

}  // namespace

TEST_CASE("a random checkpoint of every type loads strictly") {
  const TempDirectory folder;
  const Words tokenizer{"--tokenizer", std::string(TTS_SOURCE_DIR) + "/tests/goldens/models/tiny-base"};
  for (const std::string type : {"custom_voice", "base", "voice_design"}) {
    const std::string path = folder.file(type);
    Words words{"checkpoint", "--size", "tiny", "--type", type, path};
    words.insert(words.end(), tokenizer.begin(), tokenizer.end());
    const Finished made = bench(words);
    INFO(type << ": " << made.err);
    REQUIRE(made.exit == 0);
    const auto model = load_model(path, {.strict = true});
    CHECK(str(model->config.type) == type);
    CHECK(model->encoder.has_value());
    CHECK(model->speaker_encoder.has_value() == (type == "base"));
    CHECK(model->config.talker.speakers.empty() == (type != "custom_voice"));
  }
}

TEST_CASE("random weights follow the seed, and an existing directory stays as it is") {
  const TempDirectory folder;
  const auto make = [&](const char* name, const char* seed) {
    return bench({"checkpoint", "--size", "tiny", "--seed", seed, "--tokenizer",
                  std::string(TTS_SOURCE_DIR) + "/tests/goldens/models/tiny-base", folder.file(name)});
  };
  const auto weights = [&](const char* name) { return file_bytes(folder.file(name) + "/model.safetensors"); };
  REQUIRE(make("a", "3").exit == 0);
  REQUIRE(make("b", "3").exit == 0);
  REQUIRE(make("c", "4").exit == 0);
  CHECK(weights("a") == weights("b"));
  CHECK(weights("a") != weights("c"));
  const Finished again = make("a", "5");
  CHECK(again.exit == 5);
  CHECK(again.err.find("exists; name a new directory") != again.err.npos);
  CHECK(weights("a") == weights("b"));
}

TEST_CASE("a random checkpoint speaks as long as it may") {
  const TempDirectory folder;
  const std::string path = folder.file("model");
  REQUIRE(bench({"checkpoint", "--size", "tiny", "--tokenizer",
                 std::string(TTS_SOURCE_DIR) + "/tests/goldens/models/tiny-base", path})
              .exit == 0);
  const Finished spoken = tts_gen({"-m", path, "--seed", "1", "--guard", "off", "--max-new-tokens", "9", "-j",
                                   "1", "--json", "-o", folder.file("a.wav"), "Hello."});
  INFO(spoken.err);
  CHECK(spoken.exit == 6);  // a limit ended it, not its own end token
  const std::vector<Json> lines = lines_of(spoken.out);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("frames").integer(0, 100) == 8);
  CHECK(is_complete_wav(file_bytes(folder.file("a.wav"))));
}

TEST_CASE("a player that starts with the first chunk waits for every late one") {
  // 100 ms of audio each at a rate of 1000: the player is dry at 110, then at 310 (the second came 20 ms late
  // and played at once).
  const std::vector<Arrival> arrivals{{10, 100}, {130, 100}, {200, 100}};
  const Playback p = play(arrivals, 1000);
  CHECK(p.first_audio_ms == 10);
  CHECK(p.slack_ms == std::vector<double>{-20, 30});
  CHECK(p.underruns == 1);
  CHECK(p.waited_ms == 20);
  CHECK(play({}, 1000).slack_ms.empty());
}

TEST_CASE("the null sink plays in real time, counts a dry spell once, and never blocks") {
  using namespace std::chrono;
  const auto begin = steady_clock::now();
  NullSink sink(1000);
  sink.push(50);
  std::this_thread::sleep_for(milliseconds(150));  // dry after 50 ms
  CHECK(sink.underruns() == 1);
  sink.push(55);
  sink.finish();
  CHECK(sink.played() == 105);
  CHECK(sink.underruns() >= 1);
  CHECK(steady_clock::now() - begin >=
        milliseconds(190));  // 50 ms at once, a pause until 150, 55 more in steps of 10
}

TEST_CASE("quantiles and deviation") {
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 2, 3}) == 2.5);
  CHECK(quantile({1, 2, 3}, 1) == 3);
  CHECK(deviation({2, 4}) == std::sqrt(2.0));
  CHECK(deviation({2}) == 0);
}

TEST_CASE("every report gives one JSON line with machine, commit and command") {
  struct Case {
    Words words;
    const char* report;
    size_t lines;
    std::vector<const char*> numbers;
  };
  const Case cases[] = {
      {{"--label", "short", "--repeats", "1", "--frames", "4"},
       "speech",
       1,
       {"rtf", "tok_s", "ttfa_ms", "peak_rss_mb", "prefill_ms", "talker_ms", "predictor_ms", "codec_ms",
        "syncs_per_frame", "launches_per_frame", "load_ms"}},
      {{"stream", "--label", "short", "--repeats", "2", "--frames", "6"},
       "stream",
       1,
       {"ttfa_ms", "ttfa_p95_ms", "jitter_ms", "underruns"}},
      {{"floors", "--frames", "4"}, "floors", 3, {"frame_ms", "floor_ms", "distance", "mbytes", "gflop"}},
      {{"positions", "--frames", "130"}, "positions", 2, {"position", "frame_ms", "cpu_frame_ms"}},
      {{"positions", "--frames", "64", "--from", "40"}, "positions", 1, {"position", "frame_ms"}},
      {{"assistant", "--repeats", "1", "--frames", "6"},
       "assistant",
       1,
       {"init_ms", "first_ever_ms", "ttfa_ms", "ready_mb", "longest_push_us", "underruns"}},
      {{"start", "--label", "short", "--repeats", "1", "--frames", "2"},
       "start",
       2,
       {"first_sample_ms", "total_ms", "still_cached_mb"}},
  };
  const std::string model = golden_model_path();
  for (const Case& c : cases) {
    Words words = c.words;
    words.insert(words.end(), {"-m", model, "-j", "1", "--json"});
    const Finished done = bench(words);
    INFO(c.report << ": " << done.err);
    REQUIRE(done.exit == 0);
    const std::vector<Json> lines = lines_of(done.out);
    CHECK(lines.size() == c.lines);
    for (const Json& line : lines) {
      CHECK(line.at("report").text() == c.report);
      CHECK(line.at("command").text().starts_with("tts-bench "));
      CHECK(!line.at("commit").text().empty());
      CHECK(!line.at("machine").text().empty());
      CHECK(line.at("weights").text() == "trained");
      for (const char* name : c.numbers) CHECK(line.at(name).number() >= 0);
    }
  }
}

TEST_CASE("ten seconds of reference audio are encoded the same way every time") {
  const Finished done =
      bench({"encode", "-m", std::string(TTS_SOURCE_DIR) + "/tests/goldens/models/tiny-base", "-j", "1",
             "--json", "--repeats", "1"});
  INFO(done.err);
  REQUIRE(done.exit == 0);
  CHECK(lines_of(done.out).at(0).at("encode_ms").number() > 0);
  CHECK(bench({"encode", "-m", golden_model_path()}).exit != 0);  // no speaker encoder there
}

TEST_CASE("the option --line gives one flat object for comparisons, of exactly the frames asked for") {
  const Finished done = bench({"-m", golden_model_path(), "-j", "1", "--line", "--label", "short", "--frames",
                               "5", "--repeats", "1"});
  REQUIRE(done.exit == 0);
  const std::vector<Json> lines = lines_of(done.out);
  REQUIRE(lines.size() == 1);
  std::vector<std::string> names;
  for (const auto& [name, value] : lines[0].members()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"frames", "load_ms", "prefill_ms", "talker_ms", "predictor_ms",
                                          "codec_ms", "total_ms", "ttfa_ms"});
  CHECK(lines[0].at("frames").integer(0, 10) == 5);
}

TEST_CASE("a wrong answer is not timed") {
  const std::vector<float> want{1, 2, 3};
  const std::vector<double> bound{0, 0.5, 0};
  CHECK_NOTHROW(check_answer("op", std::vector<float>{1, 2.5f, 3}, want, bound));
  const float nan = std::nanf("");
  for (const std::vector<float>& got : {std::vector<float>{1, 2.75f, 3}, {1, 2, nan}, {1, 2}}) {
    try {
      check_answer("op", got, want, bound);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.exit == Exit::internal);
    }
  }
  Spoken warm, same, other;
  warm.codes = same.codes = {1, 2};
  other.codes = {1, 3};
  CHECK_NOTHROW(check_same(warm, same, "short"));
  CHECK_THROWS_AS(check_same(warm, other, "short"), Error);
}

TEST_CASE("tts-bench refuses what it does not know") {
  CHECK(bench({"--label", "tiny"}).exit == 2);
  CHECK(bench({"--ablate", "nothing"}).exit == 2);
  CHECK(bench({"checkpoint"}).exit == 2);
  CHECK(bench({"-m", "no-such-directory"}).exit == 3);
  CHECK(bench({"ops", "--device", "nowhere"}).exit == 4);
}
