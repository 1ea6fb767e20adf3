// Device memory is asked for once, from a plan that is known before a weight is read: it suffices, it is not
// far too large, and where it cannot be had the refusal says how much was needed and how much there is.
#include "catch.h"
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

#if defined(TTS_EMULATOR)
namespace {

int64_t planned_bytes(const Model& model, Quant quant, DType cache, int frames = 3) {
  return plan_bytes(device_plan(model, quant, cache, planned_positions(model.config, frames)));
}

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

TEST_CASE("the longest utterance that was announced takes no memory later, a longer one does") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  SpeakRequest request = request_for(*model, "Hi there.");
  request.guard = false;
  request.sampling.max_new_tokens = 3001;
  SpeakCallbacks callbacks;
  callbacks.stop = [] { return std::optional(FinishReason::cancelled); };  // the room is taken before
  const auto later = [&](int frames) {
    DeviceChoice choice;
    choice.kind = "emulator", choice.dtype = "f32", choice.frames = frames;
    Engine engine(model, choice);
    const int64_t before = emulator::counts().allocations;
    engine.speak(request, callbacks);
    return emulator::counts().allocations - before;
  };
  CHECK(later(3000) == 0);
  CHECK(later(300) > 0);
}

TEST_CASE("a GPU with too little memory is refused before a weight is placed, with need and free") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  DeviceChoice choice;
  choice.kind = "emulator";
  const int64_t need = planned_bytes(*model, Quant::none, DType::f32, 0);
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
#endif

TEST_CASE("the plan of a quantised model is smaller, that of a shorter cache format too") {
  const std::unique_ptr<Model> model = load_model(golden_model("tiny-custom-voice"));
  const auto bytes = [&](Quant quant, DType cache) {
    return plan_bytes(device_plan(*model, quant, cache, planned_positions(model->config, 0)));
  };
  const auto positions = [&](int frames) { return planned_positions(model->config, frames); };
  CHECK(positions(3000) >= 3000);
  CHECK(positions(3000) - positions(10) >= 2500);
  CHECK(positions(0) == positions(std::min(model->config.generation.max_new_tokens - 1, frame_ceiling(200))));
  CHECK(bytes(Quant::int8, DType::f32) < bytes(Quant::none, DType::f32));
  CHECK(bytes(Quant::none, DType::bf16) < bytes(Quant::none, DType::f32));
  CHECK(bytes(Quant::none, DType::bf16) > model->weight_bytes / 2);
}
