// What the design promises as equalities, the end of an item, and the counters per frame.
#include "catch.h"
#include "devices_here.h"
#include "engine/session.h"
#include "speech.h"

#if defined(TTS_EMULATOR)
#include "kernels/emulator/memory.h"
#include "kernels/emulator/runtime.h"
#endif

#include <cmath>

using namespace tts;
using namespace tts::test;

namespace {

std::vector<std::string> devices() { return kinds_here(); }

Engine open(std::shared_ptr<const Model> model, const std::string& kind, int threads = 1,
            const char* ablate = "") {
  DeviceChoice choice;
  choice.kind = kind;
  choice.dtype = "f32";
  choice.options.threads = threads;
  if (*ablate) choice.options.switches = parse_ablations(ablate);
  return Engine(std::move(model), choice);
}

}  // namespace

TEST_CASE("streamed samples equal one-shot samples for every chunking") {
  for (const char* name : {"tiny-custom-voice", "tiny-voice-design"}) {
    const std::shared_ptr<const Model> model = load_model(golden_model(name));
    for (const std::string& kind : devices()) {
      Engine engine = open(model, kind);
      SpeakRequest request = request_for(*model, "Hello there, world.");
      request.chunk_frames = request.first_chunk_frames = 1000;
      const Heard whole = hear(engine, request);
      REQUIRE(whole.spoken.frames > 2);
      const std::vector<float> alone = engine.decode(whole.spoken.codes);
      CHECK(alone == whole.samples);
      // Thread by thread the emulator takes seconds for each: there the smallest chunk and the usual one.
      const std::vector<int> chunks = kind == "emulator" ? std::vector{1, 4} : std::vector{1, 2, 4, 7, 25};
      for (const int chunk : chunks) {
        request.chunk_frames = chunk;
        request.first_chunk_frames = 1;
        const Heard streamed = hear(engine, request);
        INFO(name << " on " << kind << ", chunks of " << chunk);
        CHECK(streamed.samples == whole.samples);
        CHECK(streamed.spoken.codes == whole.spoken.codes);
      }
    }
  }
}

TEST_CASE("the same seed gives the same codes, another seed others") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  for (const std::string& kind : devices()) {
    Engine engine = open(model, kind);
    SpeakRequest request = request_for(*model, "Hello there.");
    const Heard first = hear(engine, request), again = hear(engine, request);
    request.seed = 8;
    const Heard other = hear(engine, request);
    CHECK(first.spoken.codes == again.spoken.codes);
    CHECK(first.samples == again.samples);
    CHECK(first.spoken.codes != other.spoken.codes);
  }
}

TEST_CASE("the number of threads changes nothing") {
  for (const char* name : {"tiny-custom-voice", "tiny-custom-voice-1b7"}) {
    const std::shared_ptr<const Model> model = load_model(golden_model(name));
    const SpeakRequest request = request_for(*model, "Hello there.");
    Engine one = open(model, "cpu", 1);
    const Heard expected = hear(one, request);
    for (const int threads : {2, 4}) {
      Engine many = open(model, "cpu", threads);
      const Heard heard = hear(many, request);
      CHECK(heard.spoken.codes == expected.spoken.codes);
      CHECK(heard.samples == expected.samples);
    }
  }
}

TEST_CASE("devices draw the same codes from the same seed") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-voice-design"));
  const SpeakRequest request = greedy_request_for(*model, "Guten Abend.");
  Engine reference = open(model, "reference");
  const Heard expected = hear(reference, request);
  for (const std::string& kind : devices()) {
    Engine engine = open(model, kind);
    CHECK(hear(engine, request).spoken.codes == expected.spoken.codes);
  }
}

TEST_CASE("an item does not depend on the item before it") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  SpeakRequest request = request_for(*model, "Second.");
  Engine fresh = open(model, "cpu");
  const Heard alone = hear(fresh, request);
  Engine used = open(model, "cpu");
  SpeakRequest before = request_for(*model, "First, and rather longer than the other one.");
  before.sampling.max_new_tokens = 600;
  hear(used, before);
  CHECK(hear(used, request).samples == alone.samples);
}

TEST_CASE("switches that claim equality keep the result") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice-1b7"));
  const SpeakRequest request = request_for(*model, "Hello there.");
  for (const std::string& kind : devices()) {
    Engine with = open(model, kind);
    const Heard expected = hear(with, request);
    for (size_t i = 0; i < static_cast<size_t>(Ablate::kCount); ++i) {
      const std::string name(name_of(static_cast<Ablate>(i)));
      if (static_cast<Ablate>(i) == Ablate::library_prefill) continue;  // another order of sums
      Engine without = open(model, kind, 1, name.c_str());
      INFO(kind << " without " << name);
      const Heard heard = hear(without, request);
      CHECK(heard.spoken.codes == expected.spoken.codes);
      if (static_cast<Ablate>(i) == Ablate::minimal_filters) continue;  // other sums in the codec: codec_test
      CHECK(heard.samples == expected.samples);
    }
  }
}

TEST_CASE("no allocation and at most one synchronisation per frame") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  for (const std::string& kind : devices()) {
    Engine engine = open(model, kind);
    SpeakRequest request = greedy_request_for(*model, "Hello there.");
    request.chunk_frames = 4;
    hear(engine, request);
    const Heard heard = hear(engine, request);
    INFO(kind);
    CHECK(heard.spoken.counters.allocations == 0);
    CHECK(heard.spoken.counters.syncs <= heard.spoken.frames + 1);  // one bulk copy of the codes at the end
    // At most the first and the last chunk, the codes, the passes: nothing for a frame.
    if (kind == "emulator") CHECK(heard.spoken.counters.syncs <= 4);
  }
}

#if defined(TTS_EMULATOR)
// docs/kernels.md: the launches of one frame. Every frame is a replay; the codec's are left out by decoding
// at the end.
TEST_CASE("a frame has the launches that were predicted, in one graph") {
  for (const char* name : {"tiny-custom-voice", "tiny-custom-voice-1b7"}) {
    const std::shared_ptr<const Model> model = load_model(golden_model(name));
    const int64_t L = model->config.talker.dims.L, P = model->config.predictor.L,
                  K = model->config.talker.groups;
    const int64_t talker = 5 * L + 2 + 3;  // layers; norm and head; next row, sample, publish
    for (const char* without : {"", "persistent_predictor"}) {
      Engine engine = open(model, "emulator", 1, without);
      SpeakRequest request = request_for(*model, "Hello there.");
      request.official_chunks = true;
      const Counters c = hear(engine, request).spoken.counters;
      // composed: embedding, layers, norm, head, sample per pass; the first appends apart, hidden enters. one
      // kernel: + memset
      const int64_t predictor = *without ? (K - 1) * (5 * P + 4) + P + 1 : 3;
      INFO(name << " without '" << without << "'");
      CHECK(c.graph_replays > 2);
      CHECK(c.launches == c.graph_replays * (talker + predictor));
      CHECK(c.allocations == 0);
    }
  }
}

TEST_CASE("another text, seed or temperature records no new graph") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  Engine engine = open(model, "emulator");
  SpeakRequest request = request_for(*model, "Hello there.");
  request.first_chunk_frames = request.chunk_frames = 1;
  request.sampling.max_new_tokens = 4;
  const Heard first = hear(engine, request);
  const int64_t graphs = emulator::counts().graphs;
  request.text = "Something else.";
  request.seed = 1234;
  request.sampling.temperature = 0.5f;
  request.sampling.max_new_tokens = 3;
  CHECK(hear(engine, request).spoken.codes != first.spoken.codes);
  CHECK(emulator::counts().graphs == graphs);
  request.text = "Hello there.";
  Engine fresh = open(model, "emulator");
  CHECK(hear(engine, request).samples == hear(fresh, request).samples);
}

TEST_CASE("a failed kernel ends the context: this item and all that follow are refused with its report") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  const SpeakRequest request = request_for(*model, "Hello there.");
  {
    Engine engine = open(model, "emulator");
    SpeakCallbacks callbacks;  // in the middle of the first item, while the codec runs beside it
    callbacks.progress = [](const Progress& p) {
      if (p.frames >= 1) emulator::fail_device("planted fault");
    };
    for (int item = 0; item < 2; ++item) {
      try {
        engine.speak(request, callbacks);
        FAIL("item " << item << " spoke");
      } catch (const Error& error) {
        CHECK(error.exit == Exit::device);
        CHECK(std::string(error.what()).find("planted fault") != std::string::npos);
      }
    }
  }
  emulator::reset_device();
  Engine engine = open(model, "emulator");
  CHECK(hear(engine, request).spoken.frames > 0);
}
#endif

// ---- the end of an item -------------------------------------------------------------------------

namespace {

// The end token's logit is zero and the best of the others are well above it: no draw from the top 5 takes
// it.
void never_end(Model& model) {
  float* head = own_copy(model, model.talker.codec_head);
  const int H = model.config.talker.dims.H;
  std::fill_n(head + static_cast<int64_t>(model.config.talker.eos) * H, H, 0.0f);
}

// The end token is the best from the first moment at which it is allowed, the third token.
void end_at_once(Model& model, const std::vector<float>& hidden_of_third) {
  float* head = own_copy(model, model.talker.codec_head);
  const int H = model.config.talker.dims.H;
  for (int i = 0; i < H; ++i)
    head[static_cast<int64_t>(model.config.talker.eos) * H + i] =
        1e3f * hidden_of_third[static_cast<size_t>(i)];
}

}  // namespace

TEST_CASE("without an end token the item ends at the ceiling and says so") {
  const auto model = load_changed("tiny-voice-design", never_end);
  Engine engine = open(model, "cpu");
  SpeakRequest request = request_for(*model, "a");
  request.sampling.top_k = 5;
  request.sampling.max_new_tokens = 8192;
  const Heard heard = hear(engine, request);
  CHECK(heard.spoken.finish == FinishReason::guard);
  CHECK(heard.spoken.frames <= frame_ceiling(heard.spoken.text_tokens));

  request.sampling.max_new_tokens = 12;
  const Heard limited = hear(engine, request);
  CHECK(limited.spoken.finish == FinishReason::length);
  CHECK(limited.spoken.frames == 11);
  CHECK(limited.samples.size() == 11u * static_cast<size_t>(model->config.codec.samples_per_frame));

  request.sampling.max_new_tokens = 8192;
  request.max_seconds = 0.5;
  const Heard timed = hear(engine, request);
  CHECK(timed.spoken.finish == FinishReason::length);
  CHECK(timed.spoken.frames == 6);

  request.max_seconds = 0;
  request.guard = false;
  request.sampling.max_new_tokens = 300;
  const Heard unguarded = hear(engine, request);
  CHECK(unguarded.spoken.finish == FinishReason::length);
  CHECK(unguarded.spoken.frames == 299);
}

// A saved voice may hold as many frames as an item; the codec's stream ends with both.
TEST_CASE("behind a long reference an item ends where the codec's positions do") {
  const auto model = load_model(golden_model("tiny-base"));
  const int K = model->config.talker.groups, most = Decoder<Reference>::max_frames(model->config.codec);
  SpeakRequest request = request_for(*model, "a");
  request.guard = false;
  request.sampling.max_new_tokens = limits::kFrames;
  Prompt prompt;
  prompt.rows.resize(1);
  const auto budget = [&](int reference) {
    auto voice = std::make_shared<ClonedVoice>();
    voice->codes.resize(static_cast<size_t>(reference) * static_cast<size_t>(K));
    prompt.voice = voice;
    return frame_budget(model->config, request, prompt).frames;
  };
  CHECK(budget(limits::kFrames) == most - limits::kFrames);
  CHECK_THROWS_AS(budget(most), Error);
}

TEST_CASE("the end token is blocked for two tokens and then ends the item") {
  const auto plain = load_model(golden_model("tiny-voice-design"));
  SpeakRequest request = greedy_request_for(*plain, "Hello.");
  Reference device{DeviceOptions{}};
  LanguageModel<Reference> lm(device, *plain);
  SessionSpace<Reference> workspace(device, *plain, DType::f32);
  request.sampling.max_new_tokens = 3;  // two frames; hidden is then the one that chooses the third token
  speak(lm, workspace, request, {});
  const int H = plain->config.talker.dims.H;
  std::vector<float> hidden(workspace.m.hidden, workspace.m.hidden + H);

  const auto model = load_changed("tiny-voice-design", [&](Model& m) { end_at_once(m, hidden); });
  Engine engine = open(model, "cpu");
  request.sampling.max_new_tokens = 100;
  const Heard heard = hear(engine, request);
  CHECK(heard.spoken.finish == FinishReason::eos);
  CHECK(heard.spoken.frames == 2);
}

TEST_CASE("cancelling ends the item within one frame") {
  const auto model = load_changed("tiny-voice-design", never_end);
  for (const std::string& kind : devices()) {
    Engine engine = open(model, kind);
    int asked = 0;
    const auto stop = [&]() -> std::optional<FinishReason> {
      return ++asked > 5 ? std::optional(FinishReason::cancelled) : std::nullopt;
    };
    SpeakRequest request = request_for(*model, "Hello.");
    request.sampling.top_k = 5;
    request.sampling.max_new_tokens = 1000;
    const Spoken spoken = engine.speak(request, {.samples = {}, .progress = {}, .stop = stop});
    CHECK(spoken.finish == FinishReason::cancelled);
    CHECK(spoken.frames <= 6);
  }
}

TEST_CASE("a poisoned weight fails the item and names the stage, at every stage") {
  struct Poison {
    const char* stage;
    std::function<void(Model&)> change;
  };
  const auto nan_in = [](Model& m, Tensor& t) { own_copy(m, t)[0] = NAN; };
  const std::vector<Poison> poisons = {
      {"talker", [&](Model& m) { nan_in(m, m.talker.fc1); }},
      {"talker", [&](Model& m) { nan_in(m, m.talker.layers[0].q); }},
      {"talker", [&](Model& m) { nan_in(m, m.talker.layers.back().down); }},
      {"talker", [&](Model& m) { nan_in(m, m.talker.norm); }},
      {"talker", [&](Model& m) { nan_in(m, m.talker.codec_head); }},
      {"code predictor", [&](Model& m) { nan_in(m, m.predictor.layers[0].v); }},
      {"code predictor", [&](Model& m) { nan_in(m, m.predictor.norm); }},
      {"code predictor", [&](Model& m) { nan_in(m, m.predictor.head[3]); }},
      {"codec", [&](Model& m) { nan_in(m, m.decoder.pre_conv.weight); }},
  };
  for (const std::string& kind : devices()) {
    for (size_t i = 0; i < poisons.size(); ++i) {
      const auto model = load_changed("tiny-custom-voice-1b7", poisons[i].change);
      INFO(kind << ", poison " << i << " in " << poisons[i].stage);
      try {
        Engine engine = open(model, kind);
        hear(engine, greedy_request_for(*model, "Hello."));
        FAIL("spoke with a poisoned weight");
      } catch (const Error& error) {
        CHECK(error.exit == Exit::internal);
        CHECK_THAT(error.what(), Catch::Matchers::StartsWith(poisons[i].stage));
      }
    }
  }
}
