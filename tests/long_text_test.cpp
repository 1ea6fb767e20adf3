// Several chunks and items as one recording: --join, voices per item, --carry, progress.
#include "base/file.h"
#include "base/json.h"
#include "catch.h"
#include "engine/clone.h"
#include "engine/voice.h"
#include "process.h"
#include "recorded.h"
#include "speech.h"
#include "temp_directory.h"
#include "tools/recording.h"

#include <cmath>
#include <cstring>
#include <filesystem>

using namespace tts;
using namespace tts::test;

namespace {

using Words = std::vector<std::string>;

Words with(const std::string& model, const Words& words) {
  return merged(
      {"-m", golden_model(model), "--seed", "1", "--device", "cpu", "-j", "1", "--max-new-tokens", "24"},
      words);
}

std::vector<float> samples_of(const std::string& path) {  // wavf32
  const std::string bytes = file_bytes(path);
  std::vector<float> samples((bytes.size() - 58) / 4);
  std::memcpy(samples.data(), bytes.data() + 58, samples.size() * 4);
  return samples;
}

struct Shown {
  std::string text;
  int64_t begin, end;
};
std::vector<Shown> cues_of(const std::string& path) {
  std::vector<Shown> cues;
  const std::string bytes = file_bytes(path);
  const Json json = Json::parse(bytes, path);
  for (const Json& s : json.at("sentences").items())
    cues.push_back({s.at("text").text(), s.at("begin_sample").integer(0, INT64_MAX),
                    s.at("end_sample").integer(0, INT64_MAX)});
  return cues;
}

// The part that joining leaves untouched: between the fades of its edges.
bool holds(const std::vector<float>& whole, const Shown& cue, const std::vector<float>& alone) {
  constexpr int64_t kFade{120};
  const std::vector<float> middle(whole.begin() + cue.begin + kFade, whole.begin() + cue.end - kFade);
  return std::search(alone.begin(), alone.end(), middle.begin(), middle.end()) != alone.end();
}

const char* const kItems{
    "{\"text\": \"Good morning to you.\", \"speaker\": \"vivian\"}\n"
    "{\"text\": \"And a good day to all of you.\", \"speaker\": \"uncle_fu\", \"seed\": 9}\n"
    "{\"text\": \"Nobody speaks this one.\", \"speaker\": \"none\"}\n"};

}  // namespace

TEST_CASE("items in several voices become one recording with subtitles") {
  const TempDirectory folder;
  write_file(folder.file("play.jsonl"), kItems);
  const Finished done = tts_gen(
      with("tiny-custom-voice", {"--input", "jsonl", "-f", folder.file("play.jsonl"), "--join",
                                 folder.file("play.wav"), "--format", "wavf32", "--subtitles",
                                 folder.file("play.json"), "--paragraph-gap-ms", "500"}));
  CAPTURE(done.err);
  REQUIRE((done.exit == 0 || done.exit == 6));
  const std::vector<float> whole = samples_of(folder.file("play.wav"));
  const std::vector<Shown> cues = cues_of(folder.file("play.json"));
  REQUIRE(cues.size() == 3);
  CHECK(cues[0].begin == 0);
  CHECK(cues[1].begin == cues[0].end + 12'000);
  CHECK(cues[2].begin == cues[1].end + 12'000);
  CHECK(cues[2].end == static_cast<int64_t>(whole.size()));
  const struct {
    const char *text, *speaker, *seed;
  } items[] = {{"Good morning to you.", "vivian", "1"},
               {"And a good day to all of you.", "uncle_fu", "9"},
               {"Nobody speaks this one.", "none", "1"}};
  for (size_t i = 0; i < 3; ++i) {
    CAPTURE(items[i].text);
    CHECK(cues[i].text == items[i].text);
    tts_gen(with("tiny-custom-voice", {"--speaker", items[i].speaker, "--seed", items[i].seed, "-o",
                                       folder.file("alone.wav"), "--format", "wavf32", "--", items[i].text}));
    CHECK(holds(whole, cues[i], samples_of(folder.file("alone.wav"))));
  }
}

TEST_CASE("SSML chooses the voice of a part, as the item alone would have it") {
  const TempDirectory folder;
  write_file(folder.file("a.ssml"),
             "<speak><voice name=\"vivian\">Good morning to you.</voice><break time=\"300ms\"/>"
             "<voice name=\"uncle_fu\">And a good day to all.</voice></speak>");
  const Finished done = tts_gen(
      with("tiny-custom-voice", {"--input", "ssml", "-f", folder.file("a.ssml"), "-o", folder.file("a.wav"),
                                 "--format", "wavf32", "--subtitles", folder.file("a.json"), "--greedy"}));
  CAPTURE(done.err);
  REQUIRE((done.exit == 0 || done.exit == 6));
  const std::vector<Shown> cues = cues_of(folder.file("a.json"));
  REQUIRE(cues.size() == 2);
  CHECK(cues[1].begin == cues[0].end + 7'200);
  const char* const speakers[] = {"vivian", "uncle_fu"};
  for (size_t i = 0; i < 2; ++i) {
    for (size_t speaker = 0; speaker < 2; ++speaker) {
      tts_gen(
          with("tiny-custom-voice", {"--speaker", speakers[speaker], "--greedy", "-o",
                                     folder.file("alone.wav"), "--format", "wavf32", "--", cues[i].text}));
      CHECK(holds(samples_of(folder.file("a.wav")), cues[i], samples_of(folder.file("alone.wav"))) ==
            (i == speaker));
    }
  }
}

TEST_CASE("an item that fails ends a joined recording under the partial name") {
  const TempDirectory folder;
  write_file(folder.file("play.jsonl"),
             std::string(kItems) + "{\"text\": \"...\"}\n{\"text\": \"Not this.\"}\n");
  const Finished done =
      tts_gen(with("tiny-custom-voice",
                   {"--input", "jsonl", "-f", folder.file("play.jsonl"), "--join", folder.file("play.wav")}));
  CHECK(done.exit == 3);
  CHECK_FALSE(std::filesystem::exists(folder.file("play.wav")));
  CHECK(is_complete_wav(file_bytes(folder.file("play.partial.wav"))));
  CHECK(std::count(done.out.begin(), done.out.end(), '\n') ==
        4);  // one JSON line each, none after the failure
}

TEST_CASE("combinations with --join that mean nothing") {
  const TempDirectory folder;
  write_file(folder.file("a.jsonl"), "{\"text\": \"Hello.\", \"output\": \"b.wav\"}\n");
  const auto refused = [&](Words words, int exit, const std::string& message) {
    const Finished done = tts_gen(with("tiny-custom-voice", std::move(words)));
    CAPTURE(message, done.err);
    CHECK(done.exit == exit);
    CHECK(done.err.find(message) != std::string::npos);
  };
  const std::string items = folder.file("a.jsonl"), out = folder.file("a.wav");
  refused({"--join", out, "Hello."}, 2, "--join: expected --input lines or jsonl");
  refused({"--join", out, "-d", folder.path(), "--input", "jsonl", "-f", items}, 2,
          "--join: expected one place");
  refused({"--join", out, "-o", out, "--input", "jsonl", "-f", items}, 2, "--output: several items");
  refused({"--subtitles", folder.file("a.srt"), "--input", "jsonl", "-f", items}, 2, "--join makes one");
  refused({"--join", out, "--input", "jsonl", "-f", items}, 3, "output: every item is written to --join");
  refused({"--join", items, "--format", "wav", "--input", "jsonl", "-f", items}, 5, "is also an input");
  write_file(folder.file("none.jsonl"), "\n");
  refused({"--join", out, "--input", "jsonl", "-f", folder.file("none.jsonl")}, 3,
          "expected items with sound");
  CHECK_FALSE(std::filesystem::exists(out));
}

TEST_CASE("joints of spoken chunks: no step larger than those inside the chunks") {
  const TempDirectory folder;
  tts_gen(with("tiny-custom-voice", {"--split", "sentence", "-o", folder.file("a.wav"), "--format", "wavf32",
                                     "--subtitles", folder.file("a.json"), "--gap-ms", "0", "--",
                                     "One is here. Two is here. Three is here. Four is here."}));
  const std::vector<float> whole = samples_of(folder.file("a.wav"));
  const std::vector<Shown> cues = cues_of(folder.file("a.json"));
  REQUIRE(cues.size() == 4);
  const auto largest_step = [&](int64_t begin, int64_t end) {
    float largest = 0;
    for (int64_t i = begin + 1; i < end; ++i)
      largest =
          std::max(largest, std::fabs(whole[static_cast<size_t>(i)] - whole[static_cast<size_t>(i - 1)]));
    return largest;
  };
  constexpr int64_t kAround{24};
  for (size_t i = 1; i < cues.size(); ++i) {
    const int64_t joint = cues[i].begin;
    // Within the first millisecond of a fade of 5 ms the factor is below 0.1: what is left of a full-scale
    // sample next to silence is no more.
    CHECK(largest_step(joint - kAround, joint + kAround) <= 0.1f);
    CHECK(largest_step(cues[i - 1].begin, cues[i - 1].end) > 0);
  }
}

// ---- carry ------------------------------------------------------------------------------------------------

namespace {

// A voice of tiny-base, in context or by its vector alone.
void make_voice(const std::string& path, bool in_context) {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-base"));
  Engine engine(model, {.kind = "cpu", .options = {}});
  CloneRequest request = clone_of_recorded("a24000");
  request.vector_only = !in_context;
  const Clone clone = engine.clone(request);
  save_voice(path, {.voice = *clone.voice,
                    .groups = in_context ? model->config.talker.groups : 0,
                    .checkpoint = checkpoint_fingerprint(model->files)});
}

const std::vector<std::string> kSentences{"The first one is spoken.", "The second one follows.",
                                          "So does this."};

}  // namespace

TEST_CASE("carry: what was said is part of the reference of what follows") {
  const bool in_context = GENERATE(true, false);
  const TempDirectory folder;
  make_voice(folder.file("v.ttsvoice"), in_context);
  const auto speak = [&](const std::string& name, const Words& more) {
    Words words{"--voice",     folder.file("v.ttsvoice"),   "--split",  "sentence",
                "-o",          folder.file(name),           "--format", "wavf32",
                "--subtitles", folder.file(name + ".json"), "--"};
    words.insert(words.begin(), more.begin(), more.end());
    words.push_back(kSentences[0] + " " + kSentences[1] + " " + kSentences[2]);
    const Finished done = tts_gen(with("tiny-base", words));
    CAPTURE(done.err);
    CHECK(done.exit == 0);
    return samples_of(folder.file(name));
  };
  const Words long_enough{"--max-new-tokens", "200"};
  const auto plus = [&](Words words) {
    words.insert(words.end(), long_enough.begin(), long_enough.end());
    return words;
  };
  const std::vector<float> carried = speak("a.wav", plus({"--carry"}));
  CHECK((speak("b.wav", plus({"--carry"})) == carried));
  CHECK((speak("c.wav", long_enough) != carried));
  const Words job = plus({"--carry", "--job", folder.file("job")});
  CHECK((speak("d.wav", job) == carried));
  CHECK((speak("e.wav", job) == carried));

  // The same by hand.
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-base"));
  Engine engine(model, {.kind = "cpu", .options = {}});
  const ClonedVoice own = load_voice(folder.file("v.ttsvoice")).voice;
  const std::vector<Shown> cues = cues_of(folder.file("a.wav.json"));
  REQUIRE(cues.size() == 3);
  auto voice = std::make_shared<const ClonedVoice>(own);
  int chained = 0;
  for (const Shown& cue : cues) {
    SpeakRequest request = request_for(*model, cue.text);
    request.sampling.max_new_tokens = 200;
    request.voice = voice;
    request.seed = seed_of_chunk(1, cue.text, 0);
    const Heard heard = hear(engine, request);
    CHECK(holds(carried, cue, heard.samples));
    voice = carry_on(own, cue.text, heard.spoken);
    const bool whole = heard.spoken.finish == FinishReason::eos;
    chained += whole ? 1 : 0;
    CHECK(voice->codes.size() == own.codes.size() + (whole ? heard.spoken.codes.size() : 0));
    if (whole) CHECK(voice->transcript == (in_context ? own.transcript + " " + cue.text : cue.text));
  }
  CHECK(chained >= 1);  // else nothing was carried
}

TEST_CASE("carry: an edit speaks everything behind it again, nothing before it") {
  const TempDirectory folder;
  make_voice(folder.file("v.ttsvoice"), true);
  const auto err = [&](const std::string& text) {
    return tts_gen({"-m", golden_model("tiny-base"), "--seed", "1", "--device", "cpu", "-j", "1", "--carry",
                    "--max-new-tokens", "200", "--voice", folder.file("v.ttsvoice"), "--split", "sentence",
                    "--job", folder.file("job"), "-o", folder.file("a.wav"), "--", text})
        .err;
  };
  CHECK(err(kSentences[0] + " " + kSentences[1] + " " + kSentences[2])
            .find("job: 3 chunks spoken, 0 taken") != std::string::npos);
  CHECK(err(kSentences[0] + " " + kSentences[1] + " Not this.").find("job: 1 chunks spoken, 2 taken") !=
        std::string::npos);
}

TEST_CASE("carry needs a voice of a base checkpoint") {
  const TempDirectory folder;
  for (const Words& words :
       {with("tiny-custom-voice", {"--carry", "-o", folder.file("a.wav"), "Hello."}),
        with("tiny-base", {"--carry", "-s", "none", "-o", folder.file("a.wav"), "Hello."})}) {
    const Finished done = tts_gen(words);
    CHECK(done.exit == 2);
    CHECK(done.err.find("--carry: expected a base checkpoint with --ref-audio or --voice") !=
          std::string::npos);
  }
}

TEST_CASE("the progress of a long text: chunks, audio, speed, and when it ends") {
  const Progress now{.frames = 25, .seconds = 2, .elapsed_seconds = 1, .expected_frames = 50};
  CHECK(progress_text(now, {.chunk = 1, .chunks = 1}, 0) ==
        "25 frames, 2.0 s of audio, RTF 0.50, about 1 s left");
  // 100 frames in 4 s: another 25 of this chunk and 1,475 behind it take a minute.
  const ChunksAhead ahead{.chunk = 3, .chunks = 40, .seconds = 20, .frames = 75, .elapsed_seconds = 3,
                          .expected_frames = 1'475};
  const std::string line = progress_text(now, ahead, 1'000'000'020);
  CHECK(line.starts_with("chunk 3 of 40, 22.0 s of audio, RTF 0.50, about 60 s left, until "));
  CHECK(line != progress_text(now, ahead, 1'000'000'020 + 3'600));
}

TEST_CASE("seeds of chunks: by their words and how often they came") {
  CHECK(seed_of_chunk(1, "Yes.", 0) == seed_of_chunk(1, "Yes.", 0));
  CHECK(seed_of_chunk(1, "Yes.", 0) != seed_of_chunk(1, "Yes.", 1));
  CHECK(seed_of_chunk(1, "Yes.", 0) != seed_of_chunk(1, "No.", 0));
  CHECK(seed_of_chunk(1, "Yes.", 0) != seed_of_chunk(2, "Yes.", 0));
}

#ifdef TTS_EMBED_VOICE

TEST_CASE("what a voice cannot read is spelled out without being asked for, and said") {
  const TempDirectory folder;
  std::string longer = "It was 5 km.";
  for (int i = 0; i < 8; ++i) longer += " Then they went on, and on, and nobody asked them why.";
  const Finished done = tts_gen({"-m", "embedded", "--seed", "1", "--device", "cpu", "-j", "1", "-v",
                                 "--json", "-o", folder.file("a.wav"), "--", longer});
  CAPTURE(done.err);
  CHECK(done.exit == 0);
  CHECK(done.err.find("spoken: It was five k") != std::string::npos);
  const Json json = Json::parse(done.out, "result");
  std::string warnings;
  for (const Json& warning : json.at("warnings").items()) warnings += warning.text() + "\n";
  CHECK(warnings ==
        "this voice cannot read digits: they are spelled out\n"
        "this voice reaches 120 characters at once: the text is spoken in several chunks\n");
}

#endif
