// The predictor frame as one cooperative kernel: under any schedule of its threads, in turn and at once, the
// codes are those of the composed operations. TTS_SCHEDULES=100 frame_test runs a hundred.
#include "catch.h"
#include "devices_here.h"
#include "refusal.h"
#include "speech.h"

#if defined(TTS_EMULATOR)
#include "kernels/emulator/execution.h"
#endif

#include <cstdlib>

using namespace tts;
using namespace tts::test;

#if defined(TTS_EMULATOR) || defined(TTS_CUDA)
namespace {

void set_schedule([[maybe_unused]] uint64_t seed) {  // a GPU has its own
#if defined(TTS_EMULATOR)
  emulator::options().seed = seed;
#endif
}

std::vector<int32_t> codes_of(const std::shared_ptr<const Model>& model, const char* ablate,
                              double* passes = nullptr, const char* quant = "none") {
  DeviceChoice choice;
  choice.kind = std::string(Cuda::kind());
  choice.dtype = "f32";
  choice.quant = quant;
  if (*ablate) choice.options.switches = parse_ablations(ablate);
  Engine engine(model, choice);
  SpeakRequest request = request_for(*model, "Hi.");
  request.sampling.max_new_tokens = 3;
  request.first_chunk_frames = request.chunk_frames = 100;
  const Spoken spoken = hear(engine, request).spoken;
  if (passes) *passes = spoken.predictor_passes;
  return spoken.codes;
}

uint64_t schedules() {
  const char* wanted = std::getenv("TTS_SCHEDULES");
  return wanted ? std::strtoull(wanted, nullptr, 10) : 6;
}

}  // namespace

TEST_CASE("the persistent predictor draws the codes of the composed one under every schedule") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-base"));
  if (!is_here<Cuda>()) return;
  const std::vector<int32_t> composed = codes_of(model, "persistent_predictor");
  REQUIRE(composed.size() >= 2 * 16);
  REQUIRE(schedules() > 0);
  for (uint64_t seed = 1; seed <= schedules(); ++seed) {
    set_schedule(seed);
    INFO("schedule " << seed);
    double passes = 0;
    CHECK(codes_of(model, seed % 2 ? "parallel_predictor" : "", &passes) == composed);
    CHECK(passes > 0);
    if (seed % 2) CHECK(passes == model->config.talker.groups - 1);
    else CHECK(passes <= model->config.talker.groups - 1);
  }
}

TEST_CASE("the persistent predictor draws the codes of the composed one from int8 weights") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-base"));
  if (!is_here<Cuda>()) return;
  const std::vector<int32_t> composed = codes_of(model, "persistent_predictor", nullptr, "int8");
  REQUIRE(composed.size() >= 2 * 16);
  CHECK(composed != codes_of(model, "persistent_predictor"));
  CHECK(codes_of(model, "parallel_predictor", nullptr, "int8") == composed);
  CHECK(codes_of(model, "", nullptr, "int8") == composed);
}

#if defined(TTS_EMULATOR)
TEST_CASE("a persistent predictor whose blocks do not meet gives up and says so; the device goes on") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-base"));
  const std::vector<int32_t> before = codes_of(model, "");
  for (const int late : {0, 2}) {
    emulator::options().late_block = late;
    const Refusal refusal = refusal_of([&] { codes_of(model, ""); });
    emulator::options().late_block = -1;
    INFO("block " << late << " starts late: " << refusal.message);
    CHECK(refusal.exit == Exit::device);
    CHECK(refusal.message.find("expected the blocks of its kernel to meet within 2 s") != std::string::npos);
  }
  CHECK(codes_of(model, "") == before);
}
#endif
#endif
