// Voices from reference clips: the recorded codes and vectors, the silence behind the clip, what is refused
// and what is only said, and one voice for many texts.
#include "engine/clone.h"
#include "catch.h"
#include "codec/audio_writer.h"
#include "recorded.h"
#include "refusal.h"
#include "speech.h"
#include "temp_directory.h"

#include <algorithm>
#include <limits>

using namespace tts;
using tts::test::clone_of_recorded;
using tts::test::refusal_of;

namespace {

Clone clone(const Model& model, const CloneRequest& request) {
  Cpu device{DeviceOptions{}};
  return Cloner<Cpu>(device, model).clone(request);
}

std::unique_ptr<Model> base_model() { return load_model(kGoldens + "/models/tiny-base"); }

}  // namespace

TEST_CASE("clone: the recorded codes and vector of a clip, without the silence", "[clone]") {
  const auto model = base_model();
  CloneRequest request = clone_of_recorded("a24000");
  request.silence_ms = 0;
  const Clone made = clone(*model, request);
  const Recorded codec(kGoldens + "/codec/tiny-base/encoder.safetensors");
  const Recorded speaker(kGoldens + "/speaker/tiny-base/speaker.safetensors");
  CHECK(made.voice->codes == codec.integers("a24000.codes"));
  CHECK(relative_error(made.voice->speaker_vector, speaker.floats("a24000.embedding")) <= 1e-5);
  CHECK(made.voice->transcript == request.transcript);
  CHECK(made.voice->in_context());
  CHECK(made.warnings.empty());
}

TEST_CASE("clone: appended silence adds frames behind the clip and nothing else", "[clone]") {
  const auto model = base_model();
  CloneRequest request = clone_of_recorded("a24000");
  const Clone with = clone(*model, request);  // 500 ms
  request.silence_ms = 0;
  const Clone without = clone(*model, request);
  const auto& got = with.voice->codes;
  const auto& plain = without.voice->codes;
  CHECK(plain.size() == 13 * 16);
  REQUIRE(got.size() == 19 * 16);  // 36 000 samples
  CHECK(std::equal(plain.begin(), plain.begin() + 12 * 16,
                   got.begin()));  // the last frame of the clip is half empty
  CHECK(with.voice->speaker_vector == without.voice->speaker_vector);
}

TEST_CASE("clone: the speaker vector alone needs neither words nor codec encoder", "[clone]") {
  const auto model = base_model();
  model->encoder.reset();
  CloneRequest request = clone_of_recorded("s1280");
  request.transcript.clear();
  request.vector_only = true;
  const Clone made = clone(*model, request);
  CHECK_FALSE(made.voice->in_context());
  CHECK(made.voice->transcript.empty());
  const Recorded speaker(kGoldens + "/speaker/tiny-base/speaker.safetensors");
  CHECK(relative_error(made.voice->speaker_vector, speaker.floats("s1280.embedding")) <= 1e-5);
}

TEST_CASE("clone: what is only said", "[clone]") {
  const auto model = base_model();
  CloneRequest request = clone_of_recorded("ref4");
  request.clip.clipped = true;
  CHECK(clone(*model, request).warnings ==
        std::vector<std::string>{"ref4.wav: 0.29 s is short for a reference; 3 to 10 s keep the voice better",
                                 "ref4.wav: the recording is clipped; the voice will sound so, too"});
}

TEST_CASE("clone: clips and checkpoints that are refused", "[clone]") {
  const auto model = base_model();
  const CloneRequest good = clone_of_recorded("ref4");
  const auto refused = [&](const char* what, Exit exit, const std::string& message, const auto& change) {
    CloneRequest request = good;
    change(request);
    CAPTURE(what);
    const auto refusal = refusal_of([&] { clone(*model, request); });
    CHECK(refusal.exit == exit);
    CHECK(refusal.message == message);
  };
  refused("no words", Exit::usage,
          "ref4.wav: in-context cloning needs the words of the clip: give --ref-text, or use --x-vector-only",
          [](CloneRequest& r) { r.transcript = " \n\t"; });
  refused("silence", Exit::bad_input, "ref4.wav: expected a voice, got silence (no sample reaches 1e-04)",
          [](CloneRequest& r) { std::fill(r.clip.samples.begin(), r.clip.samples.end(), 0.99e-4f); });
  refused("NaN", Exit::bad_input, "ref4.wav: expected finite samples, got nan",
          [](CloneRequest& r) { r.clip.samples[6999] = std::numeric_limits<float>::quiet_NaN(); });
  refused("infinite", Exit::bad_input, "ref4.wav: expected finite samples, got -inf",
          [](CloneRequest& r) { r.clip.samples[0] = -std::numeric_limits<float>::infinity(); });
  refused("no samples", Exit::bad_input, "ref4.wav: expected samples, got none",
          [](CloneRequest& r) { r.clip.samples.clear(); });
  refused("short", Exit::bad_input,
          "ref4.wav: expected at least 1280 samples at 24000 Hz, got 1279; give a longer clip",
          [](CloneRequest& r) { r.clip.samples.resize(1279); });
  refused("short at its own rate", Exit::bad_input,
          "ref4.wav: expected at least 1280 samples at 24000 Hz, got 1279; give a longer clip",
          [](CloneRequest& r) {
            r.clip.samples.resize(2558);
            r.clip.rate = 48000;
          });
  refused("long", Exit::bad_input, "ref4.wav: expected at most 60 seconds of audio, got 61.0; cut the clip",
          [](CloneRequest& r) { r.clip.samples.resize(61 * 24000, 0.5f); });
  refused("silence of a wrong length", Exit::usage, "--ref-silence-ms: expected 0..5000, got 5001",
          [](CloneRequest& r) { r.silence_ms = 5001; });
  CHECK_NOTHROW(clone(*model, good));
  for (const char* other : {"tiny-custom-voice", "tiny-voice-design"}) {
    const std::string path = kGoldens + "/models/" + other;
    const auto refusal = refusal_of([&] { clone(*load_model(path), good); });
    CHECK(refusal.exit == Exit::usage);
    CHECK(refusal.message.starts_with(path + ": voice cloning: expected a base checkpoint, got "));
  }
  model->encoder.reset();
  CHECK(refusal_of([&] { clone(*model, good); }).message ==
        kGoldens +
            "/models/tiny-base: speech_tokenizer: expected the tensors encoder.* for in-context cloning, got "
            "none; "
            "use --x-vector-only, or a complete checkpoint");
}

TEST_CASE("clone: one voice speaks many texts, and every device makes the same codes", "[clone]") {
  const std::shared_ptr<const Model> model = base_model();
  Engine engine(model, {.kind = "cpu", .options = {}}),
      reference(model, {.kind = "reference", .options = {}});
  const CloneRequest clip = clone_of_recorded("ref12");
  const Clone made = engine.clone(clip);
  CHECK(reference.clone(clip).voice->codes == made.voice->codes);
  CHECK(encode_audio(*model, {.kind = "cpu", .options = {}}, clip.clip.samples).size() == 12 * 16);
  SpeakRequest request = test::greedy_request_for(*model, "one");
  request.sampling.max_new_tokens = 6;
  request.voice = made.voice;
  const test::Heard first = test::hear(engine, request);
  request.text = "another";
  const test::Heard other = test::hear(engine, request);
  request.text = "one";
  CHECK(test::hear(engine, request).samples == first.samples);
  CHECK(other.samples != first.samples);
  CHECK(first.spoken.frames > 0);
}

TEST_CASE("clone: a designed voice becomes a reference through its file", "[clone]") {
  const std::string words = "Good morning.";
  const std::shared_ptr<const Model> designer = load_model(kGoldens + "/models/tiny-voice-design");
  Engine design(designer, {.kind = "cpu", .options = {}});
  SpeakRequest wanted = test::greedy_request_for(*designer, words);
  wanted.instruct = "a calm voice";
  wanted.sampling.max_new_tokens = 16;
  const test::Heard designed = test::hear(design, wanted);
  REQUIRE(designed.spoken.frames > 0);

  const test::TempDirectory directory;
  const std::string path = directory.file("designed.wav");
  AudioWriter writer(path, {.format = AudioFormat::wav});
  writer.write(designed.samples);
  writer.finish();

  const std::shared_ptr<const Model> model = base_model();
  Engine engine(model, {.kind = "cpu", .options = {}});
  CloneRequest request;
  request.clip = read_audio(path);
  request.origin = path;
  request.transcript = words;
  request.silence_ms = 0;
  const Clone made = engine.clone(request);
  CHECK(made.voice->codes.size() == static_cast<size_t>(designed.spoken.frames) * 16);
  SpeakRequest spoken = test::greedy_request_for(*model, "Something else.");
  spoken.voice = made.voice;
  spoken.sampling.max_new_tokens = 6;
  const test::Heard heard = test::hear(engine, spoken);
  CHECK(heard.spoken.frames > 0);
  CHECK(heard.samples.size() == static_cast<size_t>(heard.spoken.samples));
}
