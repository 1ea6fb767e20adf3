// Device memory is asked for once, from a plan that is known before a weight is read: it suffices, it is not
// far too large, and where it cannot be had the refusal says how much was needed and how much there is.
#include "catch.h"
#include "devices_here.h"
#include "engine/clone.h"
#include "engine/device_plan.h"
#include "engine/session.h"
#include "refusal.h"
#include "speech.h"

#if defined(TTS_EMULATOR) || defined(TTS_CUDA)
#include "kernels/cuda/pool.h"
#endif
#if defined(TTS_EMULATOR)
#include "kernels/emulator/runtime.h"
#endif

#include <numeric>
#include <random>

using namespace tts;
using namespace tts::test;

#if defined(TTS_EMULATOR) || defined(TTS_CUDA)
TEST_CASE("pieces of a pool do not overlap, and what is given back can be had again") {
  std::vector<std::byte> memory(1 << 16);
  cuda::Pool pool(memory.data(), static_cast<int64_t>(memory.size()));
  std::map<std::byte*, int64_t> taken;
  std::mt19937 random(3);
  int refused = 0;
  for (int i = 0; i < 4000; ++i) {
    if (random() % 5 < 3) {
      const int64_t bytes = random() % 3000;
      auto* at = static_cast<std::byte*>(pool.take(bytes));
      if (at == nullptr) {
        ++refused;
        continue;
      }
      CHECK((at - memory.data()) % cuda::Pool::kAlignment == 0);
      CHECK((at >= memory.data() && at + bytes <= memory.data() + memory.size()));
      const auto next = taken.lower_bound(at);
      CHECK((next == taken.end() || at + std::max<int64_t>(bytes, 1) <= next->first));
      if (next != taken.begin())
        CHECK(std::prev(next)->first + std::max<int64_t>(std::prev(next)->second, 1) <= at);
      taken[at] = bytes;
    } else if (!taken.empty()) {
      auto piece = taken.begin();
      std::advance(piece, random() % taken.size());
      CHECK(pool.give(piece->first));
      CHECK(!pool.give(piece->first));
      taken.erase(piece);
    }
  }
  CHECK(refused > 0);
  for (const auto& [at, bytes] : taken) CHECK(pool.give(at));
  CHECK(!pool.give(&refused));
  CHECK(pool.take(pool.bytes() + 1) == nullptr);
  CHECK(pool.take(pool.bytes()) == memory.data());  // all gaps have joined
}
#endif

namespace {

int64_t planned_bytes(const Model& model, Quant quant, DType cache, const RunNeeds& needs = {.frames = 3}) {
  return plan_bytes(device_plan(model, quant, planned_shape(model.config, needs, cache), needs.clips));
}

}  // namespace

#if defined(TTS_EMULATOR) || defined(TTS_CUDA)
namespace {

Engine planned(const std::shared_ptr<const Model>& model, const RunNeeds& needs) {
  DeviceChoice choice;
  choice.kind = std::string(Cuda::kind()), choice.dtype = "f32", choice.needs = needs;
  return {model, choice};
}

// Rises with what the driver is asked for: by calls where they are counted, else by bytes.
int64_t asked([[maybe_unused]] const Engine& engine) {
#if defined(TTS_EMULATOR)
  return emulator::counts().allocations;
#else
  return engine.device().memory_bytes;
#endif
}

SpeakRequest short_request(const Model& model, const std::string& text) {
  SpeakRequest request = request_for(model, text);
  request.sampling.max_new_tokens = 3;
  return request;
}

// The room of `frames` is taken, nothing is spoken.
SpeakRequest long_request(const Model& model, int frames) {
  SpeakRequest request = request_for(model, "Hi there.");
  request.guard = false;
  request.sampling.max_new_tokens = frames + 1;
  return request;
}
SpeakCallbacks stop_at_once() {
  SpeakCallbacks callbacks;
  callbacks.stop = [] { return std::optional(FinishReason::cancelled); };
  return callbacks;
}

std::string words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += format("{} ", i);
  return text;
}

bool says_growth(const std::vector<std::string>& warnings) {
  return std::any_of(warnings.begin(), warnings.end(), [](const std::string& warning) {
    return warning.starts_with("device memory: this is longer than the run was planned for: ");
  });
}

}  // namespace

TEST_CASE("the longest utterance that was announced takes no memory later, a longer one does and says so") {
  if (!is_here<Cuda>()) return;
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  for (const int announced : {3000, 300}) {
    Engine engine = planned(model, {.frames = announced});
    const int64_t before = asked(engine), bytes = engine.device().memory_bytes;
    const Spoken spoken = engine.speak(long_request(*model, 3000), stop_at_once());
    const bool later = asked(engine) > before;
    CHECK(later == (announced < 3000));
    CHECK(says_growth(spoken.warnings) == later);
    CHECK((engine.device().memory_bytes > bytes) == later);
  }
}

TEST_CASE("after the start no item takes device memory: short, long, with another instruction") {
  if (!is_here<Cuda>()) return;
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-voice-design"));
  Engine engine = planned(model, {.frames = 3, .prompt_tokens = 40});
  const int64_t before = asked(engine), bytes = engine.session_bytes();
  for (const int count : {1, 30, 3}) {
    SpeakRequest request = short_request(*model, words(count));
    request.instruct = count == 3 ? words(10) : "";
    CHECK(engine.speak(request, {}).warnings.empty());
  }
  CHECK(asked(engine) == before);
  CHECK(engine.session_bytes() == bytes);
}

TEST_CASE("a text that is not split has room from the start when it was announced") {
  if (!is_here<Cuda>()) return;
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  constexpr int kFrames{183};  // with them a safe chunk of text fills its 512 positions
  const auto positions = [&](const RunNeeds& needs) {
    return planned_shape(model->config, needs, DType::f32).positions;
  };
  SpeakRequest request = long_request(*model, kFrames);
  request.text = words(170);
  Engine engine = planned(model, {.frames = kFrames, .text_tokens = 400});
  const int64_t before = asked(engine), bytes = engine.session_bytes();
  const Spoken spoken = engine.speak(request, stop_at_once());
  CHECK(asked(engine) == before);
  CHECK(engine.session_bytes() == bytes);
  CHECK(spoken.warnings.empty());
  CHECK(spoken.prompt_rows + kFrames > positions({.frames = kFrames}));
  CHECK(spoken.prompt_rows + kFrames < positions({.frames = kFrames, .text_tokens = 400}));
}

TEST_CASE("cloning takes no device memory after the start when it was announced") {
  if (!is_here<Cuda>()) return;
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-base"));
  for (const bool announced : {true, false}) {
    Engine engine = planned(model, {.frames = 3, .clips = announced});
    const int64_t before = asked(engine);
    bool said = false;
    for (const char* clip : {"ref12", "a24000"}) {
      const Clone made = engine.clone(clone_of_recorded(clip));
      said = said || says_growth(made.warnings);
      SpeakRequest request = short_request(*model, "Hi there.");
      request.voice = made.voice;
      if (announced) CHECK(engine.speak(request, {}).warnings.empty());
    }
    CHECK((asked(engine) == before) == announced);
    CHECK(said != announced);
  }
}
#endif

#if defined(TTS_EMULATOR)
namespace {

// Allocations of a load and one utterance behind reserve(), which takes `share` of the plan.
int64_t allocations_with(const std::string& name, Quant quant, double share) {
  const std::unique_ptr<Model> model = load_model(golden_model(name));
  Cuda device{DeviceOptions{}};
  device.reserve(static_cast<int64_t>(share * static_cast<double>(planned_bytes(*model, quant, DType::f32))));
  const int64_t before = device.counters().allocations;
  LanguageModel<Cuda> lm(device, *model, quant);
  SessionSpace<Cuda> space(device, *model, DType::f32);
  SpeakRequest request = request_for(*model, "Hi there.");
  request.sampling.max_new_tokens = 3;
  CHECK(speak(lm, space, request, {}).frames >= 1);
  return device.counters().allocations - before;
}

}  // namespace

TEST_CASE("the plan holds the weights and an utterance, and not much more") {
  for (const char* name : {"tiny-custom-voice", "tiny-custom-voice-1b7"}) {
    for (const Quant quant : {Quant::none, Quant::int8}) {
      INFO(name << ", " << str(quant));
      CHECK(allocations_with(name, quant, 1) == 0);
      CHECK(allocations_with(name, quant, 0.25) > 0);
    }
  }
}

TEST_CASE("a GPU with too little memory is refused before a weight is placed, with need and free") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  DeviceChoice choice;
  choice.kind = "emulator";
  const int64_t need = planned_bytes(*model, Quant::none, DType::f32, {});
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  emulator::set_memory(static_cast<size_t>(need));  // the device's own scratch does not fit beside it
  const auto refusal = refusal_of([&] { Engine engine(model, choice); });
  emulator::set_memory(total);
  CHECK(refusal.exit == Exit::device);
  CHECK(refusal.message.find(format("memory: expected {} free bytes, found ", need)) != std::string::npos);
  CHECK(refusal.message.find(format(" of {}", need)) != std::string::npos);
  Engine engine(model, choice);
  CHECK(engine.device().memory_bytes >= need);
}

TEST_CASE("encoders take what their plan says, and not much less") {
  const std::unique_ptr<Model> model = load_model(golden_model("tiny-base"));
  const ModelConfig& c = model->config;
  const std::vector<float> clip = clone_of_recorded("a24000").clip.samples;
  const auto count = static_cast<int64_t>(clip.size());
  const EncoderPlan codec = Encoder<Cuda>::plan(*c.codec_encoder, *model->encoder, count);
  const EncoderPlan speaker = SpeakerEncoder<Cuda>::plan(*c.speaker_encoder, *model->speaker_encoder, count);
  for (const double share : {1.0, 0.4}) {
    INFO("share " << share);
    const auto part = [&](const EncoderPlan& plan) {
      return static_cast<int64_t>(share * static_cast<double>(plan.weights_bytes + plan.clip_bytes));
    };
    Cuda first{DeviceOptions{}}, second{DeviceOptions{}};
    first.reserve(part(codec)), second.reserve(part(speaker));
    const int64_t before = emulator::counts().allocations;
    Encoder<Cuda>(first, *c.codec_encoder, *model->encoder).encode(clip);
    const int64_t between = emulator::counts().allocations;
    SpeakerEncoder<Cuda>(second, *c.speaker_encoder, *model->speaker_encoder).encode(clip);
    CHECK((between == before) == (share == 1.0));
    CHECK((emulator::counts().allocations == between) == (share == 1.0));
  }
}

TEST_CASE("an item too long for the GPU fails alone: the next one speaks") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  Engine engine = planned(model, {.frames = 3});
  const Heard expected = hear(engine, short_request(*model, "Hi there."));
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  emulator::set_memory(total - free + 4096);
  const auto refusal = refusal_of([&] { engine.speak(long_request(*model, 3000), stop_at_once()); });
  CHECK(refusal.exit == Exit::device);
  CHECK(refusal.message.find("memory: expected ") != std::string::npos);
  const int64_t before = emulator::counts().allocations;
  CHECK(hear(engine, short_request(*model, "Hi there.")).samples == expected.samples);
  CHECK(emulator::counts().allocations == before);
  emulator::set_memory(total);
}

TEST_CASE("a text table that is full starts over, with the rows of a new one") {
  const std::unique_ptr<Model> model = load_model(golden_model("tiny-custom-voice"));
  const auto H = static_cast<size_t>(model->config.talker.dims.H);
  std::vector<int32_t> ids(200);
  const auto rows = [&](std::initializer_list<int32_t> begins) {
    Reference device{DeviceOptions{}};
    LanguageModel<Reference> lm(device, *model);
    lm.text.most = 256;
    std::vector<float> found;
    for (const int32_t begin : begins) {
      std::iota(ids.begin(), ids.end(), begin);
      found.clear();
      for (const int32_t slot : text_slots(lm, ids)) {
        const float* row = lm.text.rows + static_cast<size_t>(slot) * H;
        found.insert(found.end(), row, row + H);
      }
    }
    CHECK(lm.text.capacity == 256);
    CHECK(lm.text.slot_of.size() == 200);
    return found;
  };
  CHECK(rows({0, 100}) == rows({100}));
}
#endif

TEST_CASE("the plan of a quantised model is smaller, that of a shorter cache format too") {
  const std::unique_ptr<Model> model = load_model(golden_model("tiny-custom-voice"));
  const auto bytes = [&](Quant quant, DType cache) { return planned_bytes(*model, quant, cache, {}); };
  const auto positions = [&](int frames) {
    return planned_shape(model->config, {.frames = frames}, DType::f32).positions;
  };
  CHECK(positions(3000) >= 3000);
  CHECK(positions(3000) - positions(10) >= 2500);
  CHECK(positions(0) == positions(std::min(model->config.generation.max_new_tokens - 1, frame_ceiling(200))));
  CHECK(bytes(Quant::int8, DType::f32) < bytes(Quant::none, DType::f32));
  CHECK(bytes(Quant::none, DType::bf16) < bytes(Quant::none, DType::f32));
  CHECK(bytes(Quant::none, DType::bf16) > model->weight_bytes / 2);
}
