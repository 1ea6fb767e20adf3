// All codes of a frame at once from a guess: the codes of the sequential passes, for every seed, model and
// device, in fewer passes. TTS_SEEDS=200 makes the sweep of seeds long.
#include "catch.h"
#include "engine/session.h"
#include "speech.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

using namespace tts;
using namespace tts::test;

namespace {

Engine open(std::shared_ptr<const Model> model, const std::string& kind, int threads,
            const std::string& quant, bool at_once) {
  DeviceChoice choice;
  choice.kind = kind;
  choice.quant = quant;
  choice.options.threads = threads;
  if (!at_once) choice.options.switches = parse_ablations("parallel_predictor");
  return Engine(std::move(model), choice);
}

int seeds() {
  const char* wanted = std::getenv("TTS_SEEDS");
  return wanted ? std::atoi(wanted) : 8;
}

// Mean passes per frame; every seed draws the same codes both ways.
double passes_of(const std::shared_ptr<const Model>& model, const std::string& kind, const std::string& quant,
                 SpeakRequest request) {
  Engine parallel = open(model, kind, 2, quant, true), sequential = open(model, kind, 1, quant, false);
  double passes = 0;
  for (int seed = 0; seed < seeds(); ++seed) {
    request.seed = static_cast<uint64_t>(seed);
    const Heard expected = hear(sequential, request), heard = hear(parallel, request);
    INFO(kind << " " << quant << ", seed " << seed);
    CHECK(heard.spoken.codes == expected.spoken.codes);
    CHECK(heard.samples == expected.samples);
    CHECK(expected.spoken.predictor_passes == model->config.talker.groups - 1);
    passes += heard.spoken.predictor_passes / seeds();
  }
  return passes;
}

}  // namespace

TEST_CASE("every seed draws the codes of the passes in turn, in fewer passes") {
  for (const char* name : {"tiny-custom-voice", "tiny-custom-voice-1b7"}) {
    const std::shared_ptr<const Model> model = load_model(golden_model(name));
    SpeakRequest request = request_for(*model, "Hello there.");
    request.sampling.max_new_tokens = 6;
    for (const char* kind : {"reference", "cpu"}) {
      const double passes = passes_of(model, kind, "none", request);
      std::printf("%s on %s: %.2f passes per frame\n", name, kind, passes);
      CHECK(passes < model->config.talker.groups - 1);
    }
    passes_of(model, "cpu", "int8", request);
  }
}

TEST_CASE("every model speaks the same with and without it") {
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden_model(""))) {
    const std::shared_ptr<const Model> model = load_model(entry.path().string());
    SpeakRequest request = request_for(*model, "Hello there, world.");
    request.sampling.max_new_tokens = 80;  // past one stretch of the clock
    request.guard = false;
    Engine parallel = open(model, "cpu", 2, "none", true), sequential = open(model, "cpu", 2, "none", false);
    INFO(entry.path().filename().string());
    CHECK(hear(parallel, request).spoken.codes == hear(sequential, request).spoken.codes);
    ++compared;
  }
  CHECK(compared >= 5);
}

#ifdef TTS_EMBED_VOICE
TEST_CASE("the embedded voice speaks the same with and without it") {
  const std::shared_ptr<const Model> model = load_model("embedded");
  SpeakRequest request = request_for(*model, "Hello there.");
  request.sampling = defaults_of(model->config.generation);
  request.sampling.max_new_tokens = 20;
  for (const char* kind : {"reference", "cpu"}) {
    const double passes = passes_of(model, kind, "none", request);
    std::printf("embedded voice on %s: %.2f passes per frame\n", kind, passes);
    CHECK(passes < model->config.talker.groups - 1);
  }
}
#endif
